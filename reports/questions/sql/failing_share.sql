-- Failed a check, by model
-- Of the calls that were checked, what share failed a rule above "info"? Unchecked calls are in neither number.
with traffic as (

    select date_trunc(:grain, hour, 'UTC') as time, model, n_scored, n_failed
    from marts.calls_hourly
    where :use_hours and hour >= :since and hour < :until and :in(model)
    union all
    select date_trunc(:grain, day::timestamp) at time zone 'UTC' as time, model, n_scored, n_failed
    from marts.model_comparison
    where not :use_hours and day >= :since_day and day <= :until_day and :in(model)

)

select time, model, sum(n_failed)::double precision / nullif(sum(n_scored), 0) as value
from traffic
group by time, model
order by time, model
