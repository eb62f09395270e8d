{{ config(materialized='view') }}

with actions as (

    select * from {{ ref('stg_alerting__actions') }}

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
    from actions

)

select * from final
