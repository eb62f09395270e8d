-- What a call costs
-- What does a priced call cost, by model? Of whole days.
select
    date_trunc(:grain, day::timestamp) at time zone 'UTC' as time,
    model,
    sum(amount_usd) / nullif(sum(n_priced), 0) as value
from marts.unit_costs_daily
where day >= :since_day and day <= :until_day and model <> '(all)' and :in(project) and :in(model)
group by 1, 2
order by 1, 2
