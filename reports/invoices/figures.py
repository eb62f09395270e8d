"""What the page of invoices shows, read in one snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import class_row, dict_row

CAUSES: Final = {
    "calls_not_seen_usd": "calls not seen",
    "retries_usd": "retries",
    "unpriced_usd": "unpriced",
    "cache_usd": "cache",
    "tier_usd": "tier",
    "fees_usd": "fees and credits",
    "time_zone_usd": "time zone",
    "rounding_usd": "rounding",
}
OPEN: Final = ("not matched", "no price")
# A page is read by people; the mart has the rest.
MOST_ROWS = 200

# Bounds that are always given: a range of days is what keeps the view from comparing all of history.
_WHERE: LiteralString = """
    where day >= coalesce(%(first)s::date, '-infinity')
        and day < coalesce(%(next)s::date, 'infinity')
        and provider = coalesce(%(provider)s::text, provider)
"""
_ROWS: LiteralString = """
    select
        provider, day, model, key_id, verdict, basis, billed_usd, charged_usd, gap_usd, unexplained_usd,
        calls_not_seen_usd, retries_usd, unpriced_usd, cache_usd, tier_usd, fees_usd, time_zone_usd,
        rounding_usd
    from marts.invoice_reconciliation
"""
_MONTHS: LiteralString = """
    select
        provider,
        date_trunc('month', day)::date as month,
        count(*) filter (where verdict = 'matched') as n_matched,
        count(*) filter (where verdict = 'explained') as n_explained,
        count(*) filter (where verdict in ('not matched', 'no price')) as n_open,
        coalesce(sum(billed_usd), 0) as billed_usd,
        coalesce(sum(charged_usd), 0) as charged_usd,
        coalesce(sum(unexplained_usd), 0) as unexplained_usd,
        coalesce(sum(calls_not_seen_usd), 0) as calls_not_seen_usd,
        coalesce(sum(retries_usd), 0) as retries_usd,
        coalesce(sum(unpriced_usd), 0) as unpriced_usd,
        coalesce(sum(cache_usd), 0) as cache_usd,
        coalesce(sum(tier_usd), 0) as tier_usd,
        coalesce(sum(fees_usd), 0) as fees_usd,
        coalesce(sum(time_zone_usd), 0) as time_zone_usd,
        coalesce(sum(rounding_usd), 0) as rounding_usd
    from marts.invoice_reconciliation
"""
_BY_MONTH: LiteralString = " group by 1, 2 order by 2 desc, 1"
_BY_GAP: LiteralString = """
    order by
        array_position(array['not matched', 'no price', 'explained', 'matched'], verdict),
        abs(unexplained_usd) desc nulls first,
        abs(gap_usd) desc,
        day, provider, model, key_id
    limit %(most)s
"""
_INVOICES: LiteralString = """
    select
        invoices.invoice_id, source, format, account, time_zone, first_day, last_day, n_lines,
        (select count(*) from cost.invoice_lines as lines
            where lines.invoice_id = invoices.invoice_id and superseded_by is null) as n_current,
        amount_usd, imported_at, withdrawn_at
    from cost.invoices
    where last_day >= coalesce(%(first)s::date, '-infinity')
        and first_day < coalesce(%(next)s::date, 'infinity')
        and coalesce(%(provider)s::text = any(providers), true)
    order by invoice_id desc
    limit %(most)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A provider's month: how many of its rows are matched, explained or neither, and the sums in USD."""

    provider: str
    month: date
    n_matched: int
    n_explained: int
    n_open: int
    billed_usd: Decimal
    charged_usd: Decimal
    unexplained_usd: Decimal
    calls_not_seen_usd: Decimal
    retries_usd: Decimal
    unpriced_usd: Decimal
    cache_usd: Decimal
    tier_usd: Decimal
    fees_usd: Decimal
    time_zone_usd: Decimal
    rounding_usd: Decimal

    @property
    def verdict(self) -> str:
        return verdict_of(self.n_matched, self.n_explained, self.n_open)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldInvoice:
    """An invoice as it was imported; `n_current` lines of it count."""

    invoice_id: int
    source: str
    format: str
    account: str
    time_zone: str
    first_day: date
    last_day: date
    n_lines: int
    n_current: int
    amount_usd: Decimal | None
    imported_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFigures:
    """The page's figures; `rows` are of the mart, those that do not match first, at most 200."""

    month: date | None
    provider: str | None
    made_at: datetime
    price_version: int
    months: Sequence[Month]
    rows: Sequence[dict[str, Any]]
    invoices: Sequence[HeldInvoice]

    @property
    def verdict(self) -> str:
        return verdict_of(
            sum(each.n_matched for each in self.months),
            sum(each.n_explained for each in self.months),
            sum(each.n_open for each in self.months),
        )

    @property
    def n_rows(self) -> int:
        return sum(each.n_matched + each.n_explained + each.n_open for each in self.months)


def verdict_of(n_matched: int, n_explained: int, n_open: int) -> str:
    """The worst of the rows' verdicts, or that there is nothing to compare."""
    if n_open:
        return "NOT MATCHED"
    if n_explained:
        return "EXPLAINED"
    return "MATCHED" if n_matched else "NOTHING TO COMPARE"


def read_invoices(
    connection: psycopg.Connection,
    *,
    month: date | None = None,
    provider: str | None = None,
    now: datetime | None = None,
) -> InvoiceFigures:
    """Read a month, or all that invoices cover. The connection must not be in a transaction.

    Raises psycopg.errors.UndefinedTable where no mart has been built.
    """
    given = {
        "first": month,
        "next": month and (month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)),
        "provider": provider,
        "most": MOST_ROWS,
    }
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        with connection.cursor(row_factory=class_row(Month)) as cursor:
            months = cursor.execute(_MONTHS + _WHERE + _BY_MONTH, given).fetchall()
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_ROWS + _WHERE + _BY_GAP, given).fetchall()
        with connection.cursor(row_factory=class_row(HeldInvoice)) as cursor:
            invoices = cursor.execute(_INVOICES, given).fetchall()
        version = connection.execute("select coalesce(max(price_version), 0) from cost.prices").fetchone()
    return InvoiceFigures(
        month=month,
        provider=provider,
        made_at=now or datetime.now(UTC),
        price_version=version[0] if version else 0,
        months=months,
        rows=rows,
        invoices=invoices,
    )
