with source as (

    select * from {{ source('evaluation', 'judges') }}

),

final as (

    select
        judge,
        evaluator,
        provider,
        model,
        policy,
        is_enabled,
        evaluator_version_id
    from source

)

select * from final
