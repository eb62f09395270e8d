-- Our price against the provider's own report
-- Where do the two differ, over the calls' models?
select
    provider,
    model,
    sum(n_priced)::bigint as n_priced,
    sum(n_unpriced)::bigint as n_unpriced,
    sum(amount_usd) as amount_usd,
    sum(reported_usd) as reported_usd,
    sum(failed_attempts_usd) as failed_attempts_usd,
    max(price_version) as price_version
from marts.cost_daily
where day >= :since_day and day <= :until_day and :in(project) and :in(model)
group by provider, model
order by amount_usd desc nulls last
limit 100
