with source as (

    select * from {{ source('alerting', 'acknowledgements') }}

),

final as (

    select
        event_id,
        acknowledged_by,
        acknowledged_at,
        note
    from source

)

select * from final
