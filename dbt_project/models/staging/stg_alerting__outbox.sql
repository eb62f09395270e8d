with source as (

    select * from {{ source('alerting', 'outbox') }}

),

final as (

    select
        event_id,
        channel,
        sent_at,
        attempts,
        dead_at,
        muted_at
    from source

)

select * from final
