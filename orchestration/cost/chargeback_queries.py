"""SQL of monthly statements. Months are their first days; `start` and `end` the UTC bounds of one."""

from typing import LiteralString

LINES: LiteralString = """
with months as (
    select unnest(%(months)s::date[]) as of_month
),
now_known as (
    select
        months.of_month, project, key_id, provider, model, purpose, line,
        sum(n_attempts)::bigint as n_attempts,
        sum(n_calls)::bigint as n_calls,
        sum(n_unpriced)::bigint as n_unpriced,
        coalesce(sum(amount_usd), 0) as amount_usd
    from months
    inner join marts.cost_hourly
        on hour >= months.of_month::timestamp at time zone 'UTC'
        and hour < (months.of_month + interval '1 month') at time zone 'UTC'
    where purpose <> 'demo'
    group by 1, 2, 3, 4, 5, 6, 7
),
stated as (
    select
        of_month, project, key_id, provider, model, purpose, line,
        sum(n_attempts)::bigint as n_attempts,
        sum(n_calls)::bigint as n_calls,
        sum(n_unpriced)::bigint as n_unpriced,
        sum(amount_usd) as amount_usd
    from cost.chargeback_lines
    where month < %(month)s and of_month = any(%(months)s)
    group by 1, 2, 3, 4, 5, 6, 7
)
select
    of_month, project, key_id, provider, model, purpose, line,
    coalesce(now_known.n_attempts, 0) - coalesce(stated.n_attempts, 0) as n_attempts,
    coalesce(now_known.n_calls, 0) - coalesce(stated.n_calls, 0) as n_calls,
    coalesce(now_known.n_unpriced, 0) - coalesce(stated.n_unpriced, 0) as n_unpriced,
    coalesce(now_known.amount_usd, 0) - coalesce(stated.amount_usd, 0) as amount_usd
from now_known
full join stated using (of_month, project, key_id, provider, model, purpose, line)
-- What was taken back and is not there any more is stated as nothing: no difference to nothing.
where of_month = %(month)s
    or coalesce(now_known.n_attempts, 0) <> coalesce(stated.n_attempts, 0)
    or coalesce(now_known.n_calls, 0) <> coalesce(stated.n_calls, 0)
    or coalesce(now_known.n_unpriced, 0) <> coalesce(stated.n_unpriced, 0)
    or coalesce(now_known.amount_usd, 0) <> coalesce(stated.amount_usd, 0)
order by of_month, project, key_id, provider, model, purpose, line
"""

STATED: LiteralString = """
select
    of_month, project, key_id, provider, model, purpose, line, n_attempts, n_calls, n_unpriced, amount_usd
from cost.chargeback_lines
where month = %(month)s
order by of_month, project, key_id, provider, model, purpose, line
"""

# A mart that lacks an hour would be a statement that lacks money.
DIFFERENCE: LiteralString = """
select
    charged.n_attempts, charged.amount_usd, modelled.n_attempts, modelled.amount_usd
from (
    select count(*) as n_attempts, coalesce(sum(amount_usd), 0) as amount_usd
    from cost.charges
    where started_at >= %(start)s and started_at < %(end)s
) as charged
cross join (
    select coalesce(sum(n_attempts), 0)::bigint as n_attempts, coalesce(sum(amount_usd), 0) as amount_usd
    from marts.cost_hourly
    where hour >= %(start)s and hour < %(end)s
) as modelled
"""

OPEN_DAYS: LiteralString = """
select distinct (hour at time zone 'UTC')::date as day
from marts.cost_hourly
where hour >= %(start)s and hour < %(end)s
    and not exists (
        select from evaluation.day_closes
        where day_closes.day = (hour at time zone 'UTC')::date
            and (reopened_at is null or reopened_at < closed_at)
    )
order by day
"""

# The first month ever closed is where the books begin; then the third is the first month that they leave out.
NEIGHBOURS: LiteralString = """
select
    (select max(month) from cost.chargebacks),
    (
        select min(date_trunc('month', hour, 'UTC') at time zone 'UTC')::date
        from marts.cost_hourly
        where hour >= (select (max(month) + interval '1 month') at time zone 'UTC' from cost.chargebacks)
            and hour < %(start)s
            and purpose <> 'demo'
    ),
    (
        select min(date_trunc('month', hour, 'UTC') at time zone 'UTC')::date
        from marts.cost_hourly
        where hour < %(start)s and purpose <> 'demo' and not exists (select from cost.chargebacks)
    )
"""

COPY_LINES: LiteralString = """
copy cost.chargeback_lines (
    month, of_month, project, key_id, provider, model, purpose, line,
    n_attempts, n_calls, n_unpriced, amount_usd
) from stdin
"""

ADD: LiteralString = """
insert into cost.chargebacks (month, closed_by, price_version, n_lines, amount_usd, content_hash, watched_by)
values (%s, %s, (select coalesce(max(price_version), 0) from cost.prices), %s, %s, %s, %s)
"""
