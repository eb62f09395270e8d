"""Budgets (`lqo budgets`): how much of them is spent, and how fast."""

from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import BurnRate, Rule
from orchestration.alerts.reading.types import Group, Sums, Window

_WINDOWS: LiteralString = """
    select
        windows.number, windows.window_end, budgets.budget_id, budgets.scope, budgets.subject,
        budgets.limit_usd,
        case
            when %(is_period)s then date_trunc(budgets.period, windows.window_end, 'UTC')
            else windows.window_start
        end as first_hour
    from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) with ordinality
        as windows (window_start, window_end, number)
    cross join access.budgets
    where (%(period)s::text is null or budgets.period = %(period)s)
"""
# Of a key or project that has one: by what its calls were charged, whoever made them.
# The mart is read once for each span and scope, however many budgets there are.
SPENT: LiteralString = f"""
with asked as (
{_WINDOWS}
        and budgets.scope in ('key', 'project') and budgets.subject <> '*'
),
spans as (
    select distinct first_hour, window_end, scope from asked
),
spent as materialized (
    select spans.*, found.*
    from spans
    cross join lateral (
        select
            case spans.scope when 'key' then key_id else project end as subject,
            sum(amount_usd) as amount, sum(n_calls) as n_calls
        from marts.calls_hourly
        where hour >= spans.first_hour and hour < spans.window_end
        group by 1
    ) as found
)
select
    asked.number, scope, subject, asked.limit_usd::double precision,
    coalesce(spent.amount, 0)::double precision, coalesce(spent.n_calls, 0)::bigint
from asked
left join spent using (first_hour, window_end, scope, subject)
"""
# Of users, and of budgets that bind each one by itself: by the proxies, which know whom a call binds.
COUNTED: LiteralString = f"""
with asked as (
{_WINDOWS}
        and (budgets.scope = 'user' or budgets.subject = '*')
)
select
    asked.number, asked.scope, coalesce(max(hours.subject), hours.subject_tag),
    asked.limit_usd::double precision, sum(hours.spent_usd)::double precision, sum(hours.n_calls)::bigint
from asked
inner join marts.budget_spending_hourly as hours
    on hours.hour >= asked.first_hour and hours.hour < asked.window_end and hours.budget_id = asked.budget_id
group by asked.number, asked.scope, asked.budget_id, asked.limit_usd, hours.subject_tag
"""


def budget_spent(
    connection: psycopg.Connection[TupleRow], rule: Rule, windows: Sequence[Window]
) -> list[dict[Group, Sums]]:
    """The share of a budget that is spent in its day or month (UTC) up to a window's end; of several budgets
    of one subject the one that is spent most. A budget of nothing is spent with its first cent."""
    found: list[dict[Group, Sums]] = [{} for _ in windows]
    for number, scope, subject, limit, spent, n in _rows(connection, windows, period=None):
        share = spent / limit if limit else float(spent > 0)
        group: Group = (("scope", scope), ("subject", subject))
        before = found[number - 1].get(group)
        if before is None or (before.value or 0.0) < share:
            found[number - 1][group] = Sums(spent, limit, n=n, value=share)
    return found


def budget_burn(
    connection: psycopg.Connection[TupleRow], rule: Rule, windows: Sequence[Window]
) -> list[dict[Group, Sums]]:
    """USD spent in each window, and as the denominator the least budget of the condition's period."""
    period = rule.condition.period if isinstance(rule.condition, BurnRate) else None
    found: list[dict[Group, Sums]] = [{} for _ in windows]
    for number, scope, subject, limit, spent, n in _rows(connection, windows, period=period, is_burn=True):
        # By limit, ascending: the first is the least.
        found[number - 1].setdefault((("scope", scope), ("subject", subject)), Sums(spent, limit, n=n))
    return found


def _rows(
    connection: psycopg.Connection[TupleRow],
    windows: Sequence[Window],
    *,
    period: str | None,
    is_burn: bool = False,
) -> list[TupleRow]:
    starts, ends = zip(*windows, strict=True) if windows else ((), ())
    parameters = {"starts": [*starts], "ends": [*ends], "period": period, "is_period": not is_burn}
    rows = [row for query in (SPENT, COUNTED) for row in connection.execute(query, parameters)]
    return sorted(rows, key=lambda row: row[:4])
