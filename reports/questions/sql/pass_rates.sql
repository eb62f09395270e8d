-- Pass rate by rule and version
-- Which rule fails more than it did? A new version is a line of its own.
with periods as (

    select date_trunc(:grain, hour, 'UTC') as time, evaluator, evaluator_version, n_scored, n_failed
    from marts.quality_hourly
    where :use_hours and hour >= :since and hour < :until
        and :in(project) and :in(model) and :in(evaluator) and kind = 'rule'
    union all
    select
        date_trunc(:grain, day::timestamp) at time zone 'UTC' as time,
        evaluator,
        evaluator_version,
        n_scored,
        n_failed
    from marts.quality_daily
    where not :use_hours and day >= :since_day and day <= :until_day
        and :in(project) and :in(model) and :in(evaluator) and kind = 'rule'

)

select
    time,
    evaluator || ' ' || evaluator_version as evaluator,
    1 - sum(n_failed)::double precision / nullif(sum(n_scored), 0) as value
from periods
group by 1, 2
order by 1, 2
