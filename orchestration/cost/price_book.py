"""The price book in the warehouse: reading it, copying a model's known prices into it, importing files.

Rows are never overwritten. A correction supersedes the row it corrects and marks the hours whose charges
it may change, so that the next refresh prices them again and leaves a restatement.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from evaluators.pricing.book import PriceBook
from evaluators.pricing.changes import changes, price_key
from evaluators.pricing.genai import Refused, snapshot_rows
from evaluators.pricing.rows import GENAI_SOURCE, NOT_STATED, PriceRow
from orchestration.cost.charged_models import charged_models
from orchestration.cost.price_rows import PRICES, add_rows, current_rows, mark_charges, supersede_rows
from orchestration.transactions import LOCK, clock, writing

CHARGES = "cost.charges"

EVER: LiteralString = """
select
    id, provider, model, match, bucket, usd_per_million, min_input_tokens, service_tier, currency, valid_from,
    valid_to, recorded_at, superseded_at, source, price_version
from cost.prices
"""

AS_KNOWN_AT: LiteralString = f"""
{EVER}
where recorded_at <= %(known_at)s and (superseded_at is null or superseded_at > %(known_at)s)
"""

CHARGED_MODELS: LiteralString = f"""
with recursive {charged_models("%(from)s", "coalesce(%(to)s::timestamptz, 'infinity')")}
select provider, model from charged
"""

# The partial index on charges holds the unpriced ones, so that this reads no priced history.
MARK_LEARNT: LiteralString = """
insert into raw.dirty_hours (hour, stage)
select distinct date_trunc('hour', charges.started_at, 'UTC') as hour, 'prices'
from cost.charges
inner join unnest(%(providers)s::text[], %(models)s::text[]) as learnt (provider, model)
    using (provider, model)
where charges.unpriced_reason is not null and charges.unpriced_reason = 'unknown_model'
order by hour
"""


@dataclass(frozen=True, slots=True)
class PriceImport:
    """What an import did: rows new to the book, rows it already held, rows it corrected (these are also
    counted as added), and the version of the book afterwards."""

    n_added: int
    n_unchanged: int
    n_superseded: int
    price_version: int
    n_hours_marked: int = 0


def load_book(connection: Connection[TupleRow], *, known_at: datetime | None = None) -> PriceBook:
    """The book as it is, or as it was known at an aware time."""
    with connection.transaction():
        return PriceBook(known_rows(connection, known_at=known_at), known_at=known_at)


def known_rows(connection: Connection[TupleRow], *, known_at: datetime | None = None) -> list[PriceRow]:
    """The rows of the book as it is, or as it was known at an aware time."""
    if known_at is None:
        return current_rows(connection)
    with connection.cursor(row_factory=class_row(PriceRow)) as cursor:
        return cursor.execute(AS_KNOWN_AT, {"known_at": known_at}).fetchall()


def all_rows(connection: Connection[TupleRow]) -> list[PriceRow]:
    """Every row there ever was, superseded ones too."""
    with connection.transaction(), connection.cursor(row_factory=class_row(PriceRow)) as cursor:
        return cursor.execute(EVER).fetchall()


def rows_by_id(connection: Connection[TupleRow], ids: Iterable[int]) -> list[PriceRow]:
    """These rows, superseded or not: what a receipt needs, however long the book's history."""
    with connection.transaction(), connection.cursor(row_factory=class_row(PriceRow)) as cursor:
        return cursor.execute(f"{EVER} where id = any(%s)", (list(ids),)).fetchall()


def book_state(connection: Connection[TupleRow]) -> tuple[int, int]:
    """The version of the book and how many of its rows are superseded: what tells a copy in memory that it
    is stale, also where a price was only ended."""
    with connection.transaction():
        row = connection.execute(
            "select coalesce(max(price_version), 0), count(superseded_at) from cost.prices"
        ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def book_version(connection: Connection[TupleRow]) -> int:
    """The version of the newest row, 0 for an empty book."""
    return book_state(connection)[0]


def newer_models(connection: Connection[TupleRow], asked: Sequence[TupleRow]) -> list[tuple[str, str]]:
    """Of (provider, model, version of the book that was asked), those with a row of a later version."""
    rows = current_rows(connection)
    books: dict[int, PriceBook] = {}
    for _, _, version in asked:
        if version not in books:
            books[version] = PriceBook(row for row in rows if row.price_version > version)
    return [(provider, model) for provider, model, version in asked if books[version].knows(provider, model)]


def ensure_snapshots(connection: Connection[TupleRow], models: Iterable[tuple[str, str]]) -> int:
    """Copy what genai-prices knows of each (provider, model) not copied before; returns the rows added.

    A copied row stays when the library later forgets the model; what it learns of one, `renew_snapshots`
    copies. Models that the library does not know, or
    prices in ways that tokens alone do not tell, add nothing: their calls stay unpriced, with the reason.
    Where a newer library knows a model that an older one did not, its unpriced charges' hours are marked.
    """
    with connection.transaction():
        unseen = set(models) - _snapshotted(connection)
        if not unseen:
            return 0
        connection.execute(LOCK, (PRICES,))
        at = clock(connection)
        found = {key: snapshot_rows(*key, at=at) for key in sorted(unseen - _snapshotted(connection))}
        known = {key: rows for key, rows in found.items() if not isinstance(rows, Refused)}
        rows = [row for of_model in known.values() for row in of_model]
        if rows:
            add_rows(connection, rows, at=at)
            providers, models = zip(*known, strict=True)
            connection.execute(MARK_LEARNT, {"providers": list(providers), "models": list(models)})
        return len(rows)


def import_prices(connection: Connection[TupleRow], rows: Sequence[PriceRow], *, source: str) -> PriceImport:
    """Add dated prices: what the book already holds changes nothing, what differs supersedes.

    A row is the same price as another if provider, model, match, bucket, tier, service tier, currency and
    `valid_from` agree; it is unchanged if price and `valid_to` agree too. Later rows of one import win.
    `source` names the file for rows that name no source; it never takes a user's authority from them. Waits
    for running charges, so that each of them is either seen by the marks set here or made with the new book.
    """
    with writing(connection, relation=CHARGES):
        connection.execute(LOCK, (PRICES,))
        found = changes(current_rows(connection), rows, is_complete=False)
        added = [change.row for change in found]
        corrected = [change.before for change in found if change.before]
        at = clock(connection)
        supersede_rows(connection, corrected, at=at)
        if added:
            own = f"file {source}" if source.startswith(NOT_STATED) else source
            add_rows(connection, added, at=at, default_source=own)
        n_marked = mark_affected(connection, [*corrected, *added])
        version = book_version(connection)
    n_unchanged = len({price_key(row) for row in rows}) - len(added)
    return PriceImport(len(added), n_unchanged, len(corrected), version, n_marked)


def _snapshotted(connection: Connection[TupleRow]) -> set[tuple[str, str]]:
    rows = connection.execute(
        "select distinct provider, model from cost.prices where starts_with(source, %s)", (GENAI_SOURCE,)
    ).fetchall()
    return {(provider, model) for provider, model in rows}


def mark_affected(connection: Connection[TupleRow], changed: Sequence[PriceRow]) -> int:
    """Mark the hours holding charges of a model and time that a changed row is about; returns how many."""
    if not changed:
        return 0
    ends = [row.valid_to for row in changed]
    span = {
        "from": min(row.valid_from for row in changed),
        "to": None if None in ends else max(end for end in ends if end),
    }
    books = [(PriceBook([row]), row) for row in changed]
    affected = {
        (provider, model, row.valid_from, row.valid_to)
        for provider, model in connection.execute(CHARGED_MODELS, span).fetchall()
        for book, row in books
        if book.knows(provider, model)
    }
    return mark_charges(connection, affected)
