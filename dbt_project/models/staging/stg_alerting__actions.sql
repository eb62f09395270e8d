with source as (

    select * from {{ source('alerting', 'actions') }}

),

final as (

    select
        action_id,
        acted_at,
        action,
        acted_by,
        via,
        rule,
        group_key,
        fingerprint,
        ends_at,
        note
    from source

)

select * from final
