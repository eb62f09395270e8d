"""Invoices in the warehouse: kept line by line, once, and superseded day by day by later statements."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, LiteralString

import psycopg
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
    "input_image",
    "output",
    "output_audio",
    "output_image",
    "amount_usd",
)

ADD: LiteralString = """
insert into cost.invoices (
    content_hash, source, format, account, time_zone, tolerance, providers, n_lines, first_day, last_day,
    amount_usd
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (content_hash) where withdrawn_at is null do nothing
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


# A day is compared as one provider cuts it: two cuts of the same day would count its calls twice.
OTHER_ZONE: LiteralString = """
select old.provider, old.day, old.invoice_id, theirs.time_zone
from cost.invoice_lines as new
inner join cost.invoices as ours on new.invoice_id = ours.invoice_id
inner join cost.invoice_lines as old on new.provider = old.provider and new.day = old.day
inner join cost.invoices as theirs on old.invoice_id = theirs.invoice_id
where new.invoice_id = any(%s)
    and new.superseded_by is null
    and old.superseded_by is null
    and ours.time_zone <> theirs.time_zone
order by old.day, old.provider
limit 1
"""

WITHDRAW: LiteralString = """
update cost.invoices set withdrawn_at = now(), withdrawn_by = %(by)s
where invoice_id = %(invoice)s and withdrawn_at is null
returning account
"""

# Its lines are superseded by itself: whoever reads current lines needs to know nothing of withdrawals.
END_LINES: LiteralString = (
    "update cost.invoice_lines set superseded_by = invoice_id where invoice_id = %(invoice)s"
)

# What it took the place of counts again, unless a later invoice states that day as well.
RESTORE: LiteralString = """
with heirs as (
    select
        old.invoice_id,
        old.line,
        min(new.invoice_id) filter (where invoices.invoice_id is not null) as heir
    from cost.invoice_lines as old
    left join cost.invoice_lines as new
        on new.provider = old.provider
        and new.day = old.day
        and new.invoice_id > old.invoice_id
        and (new.kind = old.kind or 'both' in (new.kind, old.kind))
    left join cost.invoices
        on invoices.invoice_id = new.invoice_id
        and invoices.account = %(account)s
        and invoices.withdrawn_at is null
    where old.superseded_by = %(invoice)s and old.invoice_id <> %(invoice)s
    group by old.invoice_id, old.line
)
update cost.invoice_lines as old
set superseded_by = heirs.heir
from heirs
where old.invoice_id = heirs.invoice_id and old.line = heirs.line
returning old.invoice_id, old.superseded_by is null
"""


class InvoiceError(Exception):
    """An invoice that cannot be taken or taken back; the message is one line."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The invoice's number, whether it was known before, how many older lines it supersedes, and how many of
    its own are superseded by later ones (of one that was known)."""

    invoice_id: int
    is_known: bool
    n_superseded: int = 0
    n_outdated: int = 0


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as it is listed; `n_current` lines are superseded by no later one, and 0 of one that was
    withdrawn."""

    invoice_id: int
    source: str
    format: str
    account: str
    first_day: date
    last_day: date
    n_lines: int
    n_current: int
    amount_usd: Decimal | None
    withdrawn_at: datetime | None


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
    superseded: a provider's later export of a day states the whole day anew. Raises InvoiceError where
    another invoice states a day of the provider in another time zone.
    """
    lines = reading.lines
    digest = _digest(lines, account=account, time_zone=reading.time_zone)
    days = [line.day for line in lines]
    amounts = [line.amount_usd for line in lines if line.amount_usd is not None]
    with writing(connection, relation=LINES):
        _check_zone(connection, reading.time_zone)
        given = (
            digest,
            source,
            reading.format,
            account,
            reading.time_zone,
            tolerance,
            sorted({line.provider for line in lines}),
            len(lines),
            min(days),
            max(days),
            sum(amounts) if amounts else None,
        )
        row = connection.execute(ADD, given).fetchone()
        if row is None:
            return _known(connection, digest)
        with (
            connection.cursor() as cursor,
            cursor.copy(
                f"copy cost.invoice_lines (invoice_id, kind, {', '.join(COLUMNS)}) from stdin".encode()
            ) as copy,
        ):
            for line in lines:
                copy.write_row((row[0], line.kind, *(getattr(line, column) for column in COLUMNS)))
        n_superseded = connection.execute(SUPERSEDE, {"invoice": row[0], "account": account}).rowcount
        _check_zones(connection, [row[0]])
    return Imported(row[0], is_known=False, n_superseded=n_superseded)


def withdraw_invoice(connection: Connection[TupleRow], invoice_id: int, *, by: str) -> int:
    """Take an invoice back: its lines count no more, and lines that it superseded count again; how many.

    Everything stays in the tables. Raises InvoiceError where there is none, or none any more.
    """
    given = {"invoice": invoice_id, "by": by}
    with writing(connection, relation=LINES):
        row = connection.execute(WITHDRAW, given).fetchone()
        if row is None:
            raise InvoiceError(f"there is no invoice {invoice_id}, or it is withdrawn already")
        connection.execute(END_LINES, given)
        freed = connection.execute(RESTORE, given | {"account": row[0]}).fetchall()
        restored = [invoice for invoice, is_current in freed if is_current]
        _check_zones(connection, sorted(set(restored)))
    return len(restored)


def list_invoices(connection: Connection[TupleRow]) -> list[Invoice]:
    """All invoices, the newest first."""
    query = """
        select
            invoices.invoice_id, source, format, account, first_day, last_day, n_lines,
            count(*) filter (where superseded_by is null), invoices.amount_usd, withdrawn_at
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


def _known(connection: Connection[TupleRow], digest: bytes) -> Imported:
    query = """
        select invoice_id, count(superseded_by)
        from cost.invoices
        inner join cost.invoice_lines using (invoice_id)
        where content_hash = %s and withdrawn_at is null
        group by invoice_id
    """
    known = connection.execute(query, [digest]).fetchone()
    assert known
    return Imported(known[0], is_known=True, n_outdated=known[1])


def _check_zone(connection: Connection[TupleRow], zone: str) -> None:
    """A zone that Python knows and the server does not would be an error of every reader from then on."""
    try:
        connection.execute("select now() at time zone %s", [zone])
    except psycopg.errors.InvalidParameterValue as error:
        raise InvoiceError(f"the database knows no time zone {zone[:40]!r}") from error


def _check_zones(connection: Connection[TupleRow], invoices: Sequence[int]) -> None:
    found = connection.execute(OTHER_ZONE, [list(invoices)]).fetchone()
    if found:
        provider, day, other, zone = found
        raise InvoiceError(
            f"invoice {other} states {day} of {provider} in days of {zone}: one of the two has the wrong time"
            " zone (lqo invoices withdraw)"
        )


def _digest(lines: Sequence[InvoiceLine], *, account: str, time_zone: str) -> bytes:
    """The same for the same lines in any order and form of file."""
    cells = sorted(repr(_cells(line)) for line in lines)
    return hashlib.sha256(repr((account, time_zone, cells)).encode()).digest()


def _cells(line: InvoiceLine) -> list[str | None]:
    """What a line says. No image tokens are left out, as they were before they were counted: an invoice of
    then is still the same one."""
    columns = (name for name in COLUMNS[1:] if not name.endswith("_image") or getattr(line, name))
    return [_plain(getattr(line, name)) for name in columns]


def _plain(value: object) -> str | None:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return None if value is None else str(value)
