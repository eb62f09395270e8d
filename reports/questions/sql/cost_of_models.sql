-- Cost by model over time
-- Which model is the money spent on?
select
    date_trunc(:grain, day::timestamp) at time zone 'UTC' as time,
    model,
    sum(amount_usd) as value
from marts.cost_daily
where day >= :since_day and day <= :until_day and :in(project) and :in(model)
group by 1, 2
order by 1, 2
