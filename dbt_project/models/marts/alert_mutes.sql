{{ config(materialized='view') }}

with mutes as (

    select * from {{ ref('stg_alerting__mutes') }}

),

final as (

    select
        mute_id,
        rule,
        starts_at,
        ends_at,
        case when ends_at <= now() then 'over' else 'active' end as state,
        reason,
        created_by,
        created_at
    from mutes

)

select * from final
