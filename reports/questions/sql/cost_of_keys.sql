-- Cost by key
-- Which keys spend most, and on which models?
select
    key_id,
    project,
    sum(n_calls)::bigint as n_calls,
    sum(amount_usd) as amount_usd,
    sum(n_unpriced)::bigint as n_unpriced,
    string_agg(distinct model, ', ') as models
from marts.cost_daily
where day >= :since_day and day <= :until_day and :in(project) and :in(model)
group by key_id, project
order by amount_usd desc nulls last
limit 50
