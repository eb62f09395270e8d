-- Invoices against charges
-- Do the providers bill what we charged? By month; the verdict of the worst of its days.
select
    provider,
    date_trunc('month', day)::date as month,
    case
        when bool_or(verdict in ('not matched', 'no price')) then 'NOT MATCHED'
        when bool_or(verdict = 'explained') then 'explained'
        else 'matched'
    end as verdict,
    sum(billed_usd) as billed_usd,
    sum(charged_usd) as charged_usd,
    sum(gap_usd) as gap_usd,
    sum(calls_not_seen_usd) as calls_not_seen_usd,
    sum(retries_usd) as retries_usd,
    sum(unpriced_usd) as unpriced_usd,
    sum(cache_usd) as cache_usd,
    sum(tier_usd) as tier_usd,
    sum(fees_usd) as fees_usd,
    sum(time_zone_usd) as time_zone_usd,
    sum(rounding_usd) as rounding_usd,
    sum(unexplained_usd) as unexplained_usd,
    count(*) filter (where verdict in ('not matched', 'no price')) as n_not_matched
from marts.invoice_reconciliation
where day >= :since_day and day <= :until_day
group by 1, 2
order by 2 desc, 1
limit 100
