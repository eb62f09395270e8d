with source as (

    select * from {{ source('evaluation', 'pass_rates') }}

),

final as (

    select
        day,
        evaluator_version_id,
        stratum,
        name,
        n,
        n_clusters,
        n_parse_errors,
        raw,
        raw_low,
        raw_high,
        n_labels,
        corrected,
        corrected_low,
        corrected_high,
        trust,
        label_saving,
        not_corrected
    from source

)

select * from final
