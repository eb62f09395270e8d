"""Invoices in the warehouse: kept line by line, once, and superseded day by day by later statements."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.invoices.lines import InvoiceLine, Reading
from orchestration.transactions import writing

LINES: Final = "cost.invoice_lines"

COLUMNS: Final = (
    "line",
    "provider",
    "day",
    "item",
    "model",
    "key_id",
    "project",
    "service_tier",
    "n_requests",
    "input_uncached",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "output",
    "output_audio",
    "amount_usd",
)

ADD: LiteralString = """
insert into cost.invoices (
    content_hash, source, format, account, time_zone, tolerance, n_lines, first_day, last_day, amount_usd
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (content_hash) do nothing
returning invoice_id
"""

# A usage report never replaces a cost report: the two are statements about different things.
SUPERSEDE: LiteralString = """
update cost.invoice_lines as old
set superseded_by = %(invoice)s
from cost.invoices as invoices
where old.invoice_id = invoices.invoice_id
    and old.invoice_id <> %(invoice)s
    and old.superseded_by is null
    and invoices.account = %(account)s
    and exists (
        select from cost.invoice_lines as new
        where new.invoice_id = %(invoice)s
            and (new.provider, new.day) = (old.provider, old.day)
            and (new.kind = old.kind or 'both' in (new.kind, old.kind))
    )
"""


@dataclass(frozen=True, slots=True)
class Imported:
    """The invoice's number, whether it was known before, and how many older lines it supersedes."""

    invoice_id: int
    is_known: bool
    n_superseded: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as it is listed; `n_current` lines are superseded by no later one."""

    invoice_id: int
    source: str
    format: str
    account: str
    first_day: date
    last_day: date
    n_lines: int
    n_current: int
    amount_usd: Decimal | None


def import_invoice(
    connection: Connection[TupleRow],
    reading: Reading,
    *,
    source: str,
    account: str = "",
    tolerance: Decimal = Decimal("0.02"),
) -> Imported:
    """Keep the lines of an invoice; one whose lines are known already changes nothing.

    Lines of older invoices of the account about the same provider, day and kind (usage or cost) are
    superseded: a provider's later export of a day states the whole day anew.
    """
    lines = reading.lines
    digest = _digest(lines, account=account, time_zone=reading.time_zone)
    days = [line.day for line in lines]
    amounts = [line.amount_usd for line in lines if line.amount_usd is not None]
    with writing(connection, relation=LINES):
        given = (
            digest,
            source,
            reading.format,
            account,
            reading.time_zone,
            tolerance,
            len(lines),
            min(days),
            max(days),
            sum(amounts) if amounts else None,
        )
        row = connection.execute(ADD, given).fetchone()
        if row is None:
            known = connection.execute(
                "select invoice_id from cost.invoices where content_hash = %s", [digest]
            ).fetchone()
            assert known
            return Imported(known[0], is_known=True, n_superseded=0)
        with (
            connection.cursor() as cursor,
            cursor.copy(
                f"copy cost.invoice_lines (invoice_id, kind, {', '.join(COLUMNS)}) from stdin".encode()
            ) as copy,
        ):
            for line in lines:
                copy.write_row((row[0], line.kind, *(getattr(line, column) for column in COLUMNS)))
        n_superseded = connection.execute(SUPERSEDE, {"invoice": row[0], "account": account}).rowcount
    return Imported(row[0], is_known=False, n_superseded=n_superseded)


def list_invoices(connection: Connection[TupleRow]) -> list[Invoice]:
    """All invoices, the newest first."""
    query = """
        select
            invoices.invoice_id, source, format, account, first_day, last_day, n_lines,
            count(*) filter (where superseded_by is null), invoices.amount_usd
        from cost.invoices
        inner join cost.invoice_lines using (invoice_id)
        group by invoices.invoice_id
        order by invoices.invoice_id desc
    """
    with connection.transaction():
        return [Invoice(*row) for row in connection.execute(query).fetchall()]


def name_key(connection: Connection[TupleRow], *, provider: str, theirs: str, ours: str) -> None:
    """Say which of our keys a key of a provider's invoices is; the last word counts."""
    with connection.transaction():
        connection.execute(
            "insert into cost.invoice_keys (provider, invoice_key, key_id) values (%s, %s, %s)"
            " on conflict (provider, invoice_key) do update set key_id = excluded.key_id",
            (provider, theirs, ours),
        )


def _digest(lines: Sequence[InvoiceLine], *, account: str, time_zone: str) -> bytes:
    """The same for the same lines in any order and form of file."""
    cells = sorted(repr([_plain(getattr(line, column)) for column in COLUMNS[1:]]) for line in lines)
    return hashlib.sha256(repr((account, time_zone, cells)).encode()).digest()


def _plain(value: object) -> str | None:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return None if value is None else str(value)
