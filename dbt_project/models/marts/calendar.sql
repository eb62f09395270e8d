{{ config(materialized='view', post_hook=["{{ create_statistics() }}", "{{ create_periods() }}"]) }}

-- Every day, also one without a call: joined from here, a gap is a gap and not a line drawn across it.

with bounds as (

    select
        min(day) as first_day,
        max(day) as last_day
    from {{ ref('cost_daily') }}

),

final as (

    select
        days.day::date as day,
        date_trunc('week', days.day)::date as week,
        date_trunc('month', days.day)::date as month
    from bounds
    cross join generate_series(
        bounds.first_day::timestamp, bounds.last_day::timestamp, interval '1 day'
    ) as days (day)

)

select * from final
