{{ config(materialized='view') }}

with marks as (

    select * from {{ ref('stg_raw__dirty_hours') }}

),

-- They wait for somebody to mend them, not for a refresh, and have an alert of their own.
held as (

    select * from {{ ref('stg_evaluation__held_hours') }}

),

final as (

    select
        stage,
        count(distinct hour) as n_hours,
        min(hour) as oldest_hour,
        max(hour) as newest_hour,
        min(changed_at) as oldest_change
    from marks
    where not exists (
        select from held
        where held.hour = marks.hour
    )
    group by stage

)

select * from final
