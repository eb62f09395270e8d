-- What judging costs
-- How much is spent on judges, by judge and version? Not part of the product's cost.
select
    day::timestamp at time zone 'UTC' as time,
    judge || ' ' || coalesce(evaluator_version, '') as judge,
    sum(amount_usd) as value
from marts.judge_cost_daily
where day >= :since_day and day <= :until_day
group by 1, 2
order by 1, 2
