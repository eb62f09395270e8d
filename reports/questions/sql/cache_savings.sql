-- What caches saved
-- What would input read from a cache have cost more at the full price, less what writing it cost on top?
select
    date_trunc(:grain, day::timestamp) at time zone 'UTC' as time,
    model,
    sum(cache_saved_usd) as value
from marts.cost_attempts_daily
where day >= :since_day and day <= :until_day and :in(project) and :in(model)
group by 1, 2
order by 1, 2
