-- The evaluation ledger
-- Of the calls that should be judged: scored, without a verdict, sampled out, waiting?
with days as (

    select
        date_trunc(:grain, day::timestamp) at time zone 'UTC' as time,
        sum(n_scored) as scored,
        sum(n_unscored) as unscored,
        sum(n_sampled_out) as sampled_out,
        sum(n_pending) as pending
    from marts.evaluation_coverage
    where day >= :since_day and day <= :until_day
    group by 1

)

select days.time, parts.part, parts.n_verdicts::bigint as value
from days
cross join lateral (
    values
    ('scored', days.scored),
    ('no verdict', days.unscored),
    ('sampled out', days.sampled_out),
    ('waiting', days.pending)
) as parts (part, n_verdicts)
order by 1, 2
