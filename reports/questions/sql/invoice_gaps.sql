-- Days that do not match
-- On which day, model and key does an invoice differ, and by which causes?
select
    day,
    provider,
    model,
    key_id,
    verdict,
    billed_usd,
    charged_usd,
    gap_usd,
    calls_not_seen_usd,
    retries_usd,
    unpriced_usd,
    cache_usd,
    tier_usd,
    fees_usd,
    time_zone_usd,
    rounding_usd,
    unexplained_usd,
    invoice_ids::text as invoices
from marts.invoice_reconciliation
where day >= :since_day and day <= :until_day and verdict <> 'matched'
order by abs(unexplained_usd) desc nulls first, abs(gap_usd) desc
limit 100
