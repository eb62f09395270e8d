-- Errors by model
-- What share of calls ended in an error, whoever is to blame?
with traffic as (

    select date_trunc(:grain, hour, 'UTC') as time, model, n_calls, n_error
    from marts.calls_hourly
    where :use_hours and hour >= :since and hour < :until and :in(model)
    union all
    select date_trunc(:grain, day::timestamp) at time zone 'UTC' as time, model, n_calls, n_error
    from marts.model_comparison
    where not :use_hours and day >= :since_day and day <= :until_day and :in(model)

)

select time, model, sum(n_error)::double precision / nullif(sum(n_calls), 0) as value
from traffic
group by time, model
order by time, model
