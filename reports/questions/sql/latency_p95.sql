-- Latency by model, 95th percentile
-- How slow are the slowest twentieth of calls that ended well? Days from histograms, at most 1 % off.
with hours as (

    select hour as time, model, max(latency_p95_ms) as value
    from marts.latency_hourly
    where :use_hours and hour >= :since and hour < :until and :in(model)
    group by hour, model

),

days as (

    select period::timestamp at time zone 'UTC' as time, model, p95_ms as value
    from marts.latency_percentiles(:since_day, :until_day, replace(:grain, 'hour', 'day'))
    where not :use_hours and model <> '(all)' and :in(model)

)

select * from hours
union all
select * from days
order by time, model
