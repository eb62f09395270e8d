with source as (

    select * from {{ source('evaluation', 'version_periods') }}

),

final as (

    select
        evaluator,
        evaluator_version_id,
        evaluator_version,
        kind,
        current_from,
        current_to,
        cause
    from source

)

select * from final
