{{ config(materialized='view') }}

with marks as (

    select * from {{ ref('stg_raw__dirty_hours') }}

),

final as (

    select
        stage,
        count(distinct hour) as n_hours,
        min(hour) as oldest_hour,
        max(hour) as newest_hour,
        min(changed_at) as oldest_change
    from marks
    group by stage

)

select * from final
