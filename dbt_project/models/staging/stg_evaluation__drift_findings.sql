with source as (

    select * from {{ source('evaluation', 'drift_findings') }}

),

final as (

    select
        day,
        column_name,
        kind,
        method,
        value,
        threshold,
        is_drift,
        n_current,
        n_reference,
        median_current,
        median_reference,
        reference_from,
        reason,
        evidently_version,
        computed_at
    from source

)

select * from final
