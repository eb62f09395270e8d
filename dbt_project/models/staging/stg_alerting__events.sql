with source as (

    select * from {{ source('alerting', 'events') }}

),

final as (

    select
        event_id,
        rule,
        group_key,
        transition,
        severity,
        value,
        threshold,
        n,
        message,
        happened_at
    from source

)

select * from final
