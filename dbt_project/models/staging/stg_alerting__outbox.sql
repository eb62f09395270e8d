with source as (

    select * from {{ source('alerting', 'outbox') }}

),

final as (

    select
        event_id,
        channel,
        sent_at,
        attempts
    from source

)

select * from final
