-- Latency by model, 95th percentile
-- How slow are the slowest twentieth of calls that ended well?
-- Days and longer from histograms, at most 1 % off; an hour is that of its slowest provider.
with hours as (

    select hour as time, model, max(latency_p95_ms) as value
    from marts.latency_hourly
    where :use_hours and hour >= :since and hour < :until and :in(model)
    group by hour, model

),

days as (

    select day::timestamp at time zone 'UTC' as time, model, latency_p95_ms as value
    from marts.model_comparison
    where not :use_hours and :grain = 'day' and day >= :since_day and day <= :until_day and :in(model)

),

-- Percentiles of days must not be averaged: of weeks and months the buckets are added up.
longer as (

    select period::timestamp at time zone 'UTC' as time, model, p95_ms as value
    from marts.latency_percentiles(:since_day, :until_day, replace(:grain, 'hour', 'day'))
    where :grain in ('week', 'month') and model <> '(all)' and :in(model)

)

select * from hours
union all
select * from days
union all
select * from longer
order by time, model
