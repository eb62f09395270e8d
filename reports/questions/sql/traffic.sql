-- Calls by model
-- Who is asked how much, and since when?
with traffic as (

    select date_trunc(:grain, hour, 'UTC') as time, model, n_calls
    from marts.calls_hourly
    where :use_hours and hour >= :since and hour < :until and :in(model)
    union all
    select date_trunc(:grain, day::timestamp) at time zone 'UTC' as time, model, n_calls
    from marts.model_comparison
    where not :use_hours and day >= :since_day and day <= :until_day and :in(model)

)

select time, model, sum(n_calls)::bigint as value
from traffic
group by time, model
order by time, model
