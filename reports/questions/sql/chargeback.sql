-- Statements of closed months
-- What was each project charged for the months that are closed? Later changes are adjustments of the next month.
select
    to_char(month, 'YYYY-MM') as month,
    project,
    product_usd,
    judging_usd,
    replays_usd,
    adjustments_usd,
    total_usd,
    n_unpriced,
    closed_at
from marts.chargeback_months
where month <= :until_day and month + interval '1 month' > :since_day and :in(project)
order by chargeback_months.month desc, total_usd desc, project
limit 200
