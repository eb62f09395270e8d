-- What the money bought
-- How much went into answers, fallbacks, attempts that failed, and judges?
select
    date_trunc(:grain, day::timestamp) at time zone 'UTC' as time,
    case when purpose in ('product', 'demo') then line else purpose || ' ' || line end as line,
    sum(amount_usd) as value
from marts.cost_attempts_daily
where day >= :since_day and day <= :until_day and :in(project) and :in(model)
group by 1, 2
order by 1, 2
