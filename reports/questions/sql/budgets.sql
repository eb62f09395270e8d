-- Budgets
-- How much of each budget is spent in its present day or month, and when will it be used up? As the proxies count.
select
    scope,
    subject,
    period,
    limit_usd,
    reserved_usd,
    spent_usd,
    share_spent,
    charged_usd,
    gap_usd,
    state,
    projected_breach_at,
    resets_at,
    as_of
from marts.budgets
order by share_spent desc, scope, subject, period
limit 100
