with source as (

    select * from {{ source('alerting', 'states') }}

),

final as (

    select
        rule,
        group_key,
        state,
        since,
        value,
        n,
        evaluated_at
    from source

)

select * from final
