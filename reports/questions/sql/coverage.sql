-- Coverage by evaluator
-- For what share of the calls do the rates speak?
with periods as (

    select
        date_trunc(:grain, day::timestamp) at time zone 'UTC' as time,
        evaluator,
        evaluator_version,
        n_scored,
        n_eligible
    from marts.quality_daily
    where day >= :since_day and day <= :until_day
        and :in(project) and :in(model) and :in(evaluator)

)

select
    time,
    evaluator || ' ' || evaluator_version as evaluator,
    sum(n_scored)::double precision / nullif(sum(n_eligible), 0) as value
from periods
group by 1, 2
order by 1, 2
