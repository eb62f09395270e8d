with source as (

    select * from {{ source('access', 'budgets') }}

),

final as (

    select
        budget_id,
        scope,
        subject,
        period,
        limit_usd,
        created_at
    from source

)

select * from final
