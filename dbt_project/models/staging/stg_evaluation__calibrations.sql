with source as (

    select * from {{ source('evaluation', 'calibrations') }}

),

final as (

    select
        evaluator_version_id,
        stratum,
        name,
        n,
        n_clusters,
        agreement,
        agreement_low,
        agreement_high,
        kappa,
        kappa_low,
        kappa_high,
        figures,
        state,
        reasons,
        state_since,
        computed_at
    from source

)

select * from final
