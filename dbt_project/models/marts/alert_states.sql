{{ config(materialized='view') }}

with states as (

    select * from {{ ref('stg_alerting__states') }}

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
    from states

)

select * from final
