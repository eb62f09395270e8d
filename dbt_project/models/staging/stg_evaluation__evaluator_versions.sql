with source as (

    select * from {{ source('evaluation', 'evaluator_versions') }}

),

final as (

    select
        id as evaluator_version_id,
        evaluator,
        version as evaluator_version,
        kind,
        status,
        severity,
        current_from,
        current_to
    from source

)

select * from final
