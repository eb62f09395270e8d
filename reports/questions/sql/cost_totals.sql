-- Cost in all
-- What was spent, how much of it bought no answer, and what does the provider itself report?
select
    sum(amount_usd) as "Cost",
    sum(failed_attempts_usd) as "Spent on failed attempts",
    sum(reported_usd) as "Reported by providers",
    sum(n_calls)::bigint as "Calls",
    sum(n_unpriced)::bigint as "Calls without a price",
    1000 * sum(amount_usd) / nullif(sum(n_priced), 0) as "Per 1,000 priced calls",
    max(price_version) as "Price version"
from marts.cost_daily
where day >= :since_day and day <= :until_day and :in(project) and :in(model)
