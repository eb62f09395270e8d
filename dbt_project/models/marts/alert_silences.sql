{{ config(materialized='view') }}

with silences as (

    select * from {{ ref('stg_alerting__silences') }}

),

final as (

    select
        silence_id,
        rule,
        group_key,
        severity,
        owner,
        labels,
        starts_at,
        ends_at,
        case
            when ends_at <= now() then 'over'
            when starts_at > now() then 'to come'
            else 'active'
        end as state,
        reason,
        created_by,
        created_at
    from silences

)

select * from final
