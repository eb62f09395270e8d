with source as (

    select * from {{ source('alerting', 'mutes') }}

),

final as (

    select
        mute_id,
        rule,
        starts_at,
        ends_at,
        reason,
        created_by,
        created_at
    from source

)

select * from final
