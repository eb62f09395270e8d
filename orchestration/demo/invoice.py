"""The simulated provider's invoice: what it served, with three things in it that finance people meet."""

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import LiteralString

import psycopg

from orchestration.demo.traffic import Plan
from orchestration.windows import day_window

COLUMNS = (
    "day",
    "provider",
    "model",
    "item",
    "n_requests",
    "input_uncached",
    "cache_read",
    "output",
    "amount_usd",
)
CREDIT = Decimal("-0.02")
# The provider's price of the model that our book has none for, and what it leaves off a cached token.
UNLISTED_PER_TOKEN = Decimal("0.000001")
DISCOUNT_PER_TOKEN = Decimal("0.00000225")

SERVED: LiteralString = """
select
    (hour at time zone 'UTC')::date as day,
    model,
    sum(n_attempts - n_without_usage)::bigint as n_requests,
    coalesce(sum(input_uncached), 0)::bigint as input_uncached,
    coalesce(sum(cache_read), 0)::bigint as cache_read,
    coalesce(sum(output_text), 0)::bigint as output,
    sum(amount_usd) as amount_usd
from marts.cost_hourly
where purpose = 'demo' and hour >= %(first)s and hour < %(until)s
group by 1, 2
having sum(n_attempts - n_without_usage) > 0
order by 1, 2
"""
OTHERS: LiteralString = "select exists (select from marts.cost_hourly where purpose not in ('demo', 'judge'))"

Served = tuple[date, str, int, int, int, int, Decimal | None]


def import_demo_invoice(
    connection: psycopg.Connection, plan: Plan, path: Path, *, first: date, last: date
) -> None:
    """Write and import the invoice of the days from `first` to before `last`, unless real calls are here.

    On the first day of the regression it bills calls that never went through the proxy, and forgets the cache
    discount of another model; it grants a credit. The connection must be outside a transaction.
    """
    from evaluators.invoices.read import read_invoice
    from orchestration.cost.invoices import import_invoice

    with connection.transaction():
        others = connection.execute(OTHERS).fetchone()
        served: list[Served] = connection.execute(
            SERVED, {"first": day_window(first).start, "until": day_window(last).start}
        ).fetchall()
    if not served or (others and others[0]):
        return
    odd = plan.regression[0].date()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_billed(each, odd=odd) for each in served)
        writer.writerow((served[-1][0], "openai", "", "credit: welcome", "", "", "", "", CREDIT))
    import_invoice(connection, read_invoice([path]), source=path.name, account="demo")


def _billed(served: Served, *, odd: date) -> tuple[object, ...]:
    day, model, n_requests, uncached, cached, output, charged = served
    usd = UNLISTED_PER_TOKEN * (uncached + cached + output) if charged is None else charged
    if day == odd and model == "aurora-mini":
        n_requests, uncached, cached, output = (n + n // 4 for n in (n_requests, uncached, cached, output))
        usd += usd / 4
    if day == odd and model == "aurora-large":
        usd += DISCOUNT_PER_TOKEN * cached
        uncached, cached = uncached + cached, 0
    return (day, "openai", model, "", n_requests, uncached, cached, output, f"{usd:.12f}")
