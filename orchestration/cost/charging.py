"""Charges over windows of landed calls: every provider attempt, priced from the dated book."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import LiteralString
from uuid import UUID

import polars as pl
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.pricing.book import PriceBook
from evaluators.pricing.frame import price_frame
from evaluators.pricing.rows import ALWAYS
from orchestration.cost import charging_queries as queries
from orchestration.cost import charging_writes as writes
from orchestration.cost.price_book import CHARGES, book_state, ensure_snapshots, load_book, newer_models
from orchestration.cost.price_curated import ensure_curated
from orchestration.cost.price_renewal import renew_snapshots
from orchestration.dirty import mark_hours
from orchestration.frames import copy_frame, read_chunk
from orchestration.transactions import clock, writing
from orchestration.windows import Window, day_window, merge

CHUNK_CALLS = 20_000
NO_CALL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ChargeResult:
    """Charges written: priced, unpriced (`by_reason`), and of these how many took another's place
    (`n_restated`; the others stand in `cost.charge_history`). `hours` are the UTC hours touched."""

    n_priced: int = 0
    n_unpriced: int = 0
    by_reason: dict[str, int] = field(default_factory=dict[str, int])
    n_restated: int = 0
    hours: frozenset[datetime] = field(default_factory=frozenset[datetime])


@dataclass(slots=True)
class _Books:
    """The book in memory, read again when the warehouse has a newer one."""

    book: PriceBook | None = None
    state: tuple[int, int] = (-1, 0)

    def current(self, connection: Connection[TupleRow]) -> PriceBook:
        state = book_state(connection)
        if self.book is None or state != self.state:
            self.book, self.state = load_book(connection), state
        return self.book


@dataclass(frozen=True, slots=True)
class _Chunk:
    counts: list[tuple[datetime, str | None, int]]
    n_restated: int


def charge_window(
    connection: Connection[TupleRow],
    windows: Sequence[Window],
    *,
    reprice: bool = False,
    chunk_calls: int = CHUNK_CALLS,
) -> ChargeResult:
    """Give every attempt of every call of the windows a charge; add what is missing.

    Charged again are calls whose charge was made from an interrupted row that has its END now, and unpriced
    ones whose model has newer prices. `reprice` prices the whole window: a charge that comes out differently
    moves to `cost.charge_history` in the same transaction, an equal one is not touched. Each chunk is one
    transaction; the connection must be outside one. What a newer genai-prices has learned of the copied
    models is copied first, as is the curated history; the hours that this concerns are left marked for the
    next refresh.
    """
    chunks: list[_Chunk] = []
    if windows:
        ensure_curated(connection)
        renew_snapshots(connection)
    books = _Books()
    for window in merge(windows):
        if reprice:
            chunks += _charge_chunks(
                connection, queries.ALL_CALLS, window=window, books=books, calls=chunk_calls
            )
            continue
        for query in (queries.UNSETTLED_CALLS, queries.NEW_CALLS):
            chunks += _charge_chunks(connection, query, window=window, books=books, calls=chunk_calls)
    return _total(chunks)


def charge_corrected(
    connection: Connection[TupleRow],
    windows: Sequence[Window],
    *,
    since: datetime = ALWAYS,
    chunk_calls: int = CHUNK_CALLS,
) -> ChargeResult:
    """Price those calls of the windows again about whose model and time the book has changed since.

    The others are not read, neither from `raw` nor from the charges, so that a correction costs what it
    touches; for this, only changes recorded `since` (aware) are looked at. By days, as many at a time as make
    a chunk, so that none looks further ahead. Transactions, history and marks are those of `charge_window`.
    """
    chunks: list[_Chunk] = []
    books = _Books()
    for whole in merge(windows):
        touched = _touched(connection, whole, since=since)
        for window in _touched_days(connection, whole, touched=touched, calls=chunk_calls):
            chunks += _charge_chunks(
                connection,
                queries.CORRECTED_CALLS,
                window=window,
                books=books,
                calls=chunk_calls,
                touched=touched,
            )
    return _total(chunks)


def _touched_days(
    connection: Connection[TupleRow], whole: Window, *, touched: Mapping[str, object], calls: int
) -> list[Window]:
    """The days of the window that hold touched charges, in runs of about so many calls, or of one day."""
    if not touched:
        return []
    with connection.transaction():
        days = connection.execute(
            queries.TOUCHED_DAYS, {"start": whole.start, "end": whole.end, **touched}
        ).fetchall()
    runs, n_last = list[Window](), 0
    for midnight, n in days:
        day = day_window(midnight.astimezone(UTC).date())
        part = Window(max(day.start, whole.start), min(day.end, whole.end))
        if runs and n_last + n <= calls:
            runs[-1], n_last = Window(runs[-1].start, part.end), n_last + n
        else:
            runs.append(part)
            n_last = n
    return runs


def _touched(connection: Connection[TupleRow], window: Window, *, since: datetime) -> dict[str, object]:
    """The models, validities and times of the changes that concern the window; empty for none."""
    given = {"start": window.start, "end": window.end, "since": since}
    with connection.transaction():
        rows = connection.execute(queries.TOUCHED_MODELS, given).fetchall()
    names = ("providers", "models", "froms", "tos", "changes")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}


def _charge_chunks(
    connection: Connection[TupleRow],
    query: LiteralString,
    *,
    window: Window,
    books: _Books,
    calls: int,
    touched: Mapping[str, object] = MappingProxyType({}),
) -> Iterator[_Chunk]:
    position = (window.start, NO_CALL)
    while True:
        with writing(connection, relation=CHARGES):
            params: dict[str, object] = {
                "start": position[0],
                "after": position[1],
                "end": window.end,
                "limit": calls,
                **touched,
            }
            if query is queries.UNSETTLED_CALLS:
                params |= _priceable(connection, window=window, books=books)
            attempts = read_chunk(
                connection, query, params=params, schema=queries.ATTEMPT_SCHEMA, max_bytes=None
            )
            if attempts.is_empty():
                return
            attempts = attempts.with_columns(
                started_at=pl.from_epoch("started_us", "us").dt.replace_time_zone("UTC")
            )
            ensure_snapshots(connection, attempts.select("provider", "model").unique().iter_rows())
            charges = charge_attempts(attempts, book=books.current(connection))
            chunk = _write(connection, charges, window=window, is_new=query is queries.NEW_CALLS)
        yield chunk
        if len(attempts) < calls:  # a call has an attempt or more: these were the last
            return
        position = (attempts["started_at"][-1].astimezone(UTC), UUID(attempts["call_id"][-1]))


def charge_attempts(attempts: pl.DataFrame, *, book: PriceBook) -> pl.DataFrame:
    """The columns of the stage for attempts (ATTEMPT_SCHEMA and started_at), in their order.

    An unpriced attempt holds the version of the book that had no price for it.
    """
    return price_frame(attempts, book=book).with_columns(
        is_provisional=attempts["is_provisional"],
        price_version=pl.coalesce("price_version", pl.lit(book.version)),
    )


def _priceable(connection: Connection[TupleRow], *, window: Window, books: _Books) -> dict[str, object]:
    """The unpriced models of the window about which the book, or the library, has learned something since."""
    given: dict[str, object] = {"start": window.start, "end": window.end}
    ensure_snapshots(connection, connection.execute(queries.UNKNOWN_MODELS, given).fetchall())
    book = books.current(connection)
    given["book_version"] = book.version
    unpriced = connection.execute(queries.UNPRICED_MODELS, given).fetchall()
    models = newer_models(connection, unpriced) if unpriced else []
    return {
        "book_version": book.version,
        "providers": [provider for provider, _ in models],
        "models": [model for _, model in models],
    }


def _write(
    connection: Connection[TupleRow], charges: pl.DataFrame, *, window: Window, is_new: bool
) -> _Chunk:
    span = {"start": charges["started_at"][0], "end": window.end, "at": clock(connection)}
    n_restated = 0
    with connection.cursor() as cursor:
        cursor.execute(writes.MAKE_STAGE)
        copy_frame(cursor, charges, table="charged_attempts")
        if not is_new:
            cursor.execute(writes.ANALYZE_STAGE)
            n_restated = cursor.execute(writes.KEEP_SUPERSEDED, span).rowcount
            cursor.execute(writes.DROP_VANISHED, span)
        counts = cursor.execute(writes.WRITE_CHARGES, span).fetchall()
    mark_hours(connection, {hour for hour, _, _ in counts}, stage="charges")
    return _Chunk([(hour, reason, n) for hour, reason, n in counts], n_restated)


def _total(chunks: Iterable[_Chunk]) -> ChargeResult:
    by_reason: Counter[str] = Counter()
    n_priced = n_restated = 0
    hours: set[datetime] = set()
    for chunk in chunks:
        n_restated += chunk.n_restated
        for hour, reason, n in chunk.counts:
            hours.add(hour)
            if reason is None:
                n_priced += n
            else:
                by_reason[reason] += n
    return ChargeResult(n_priced, by_reason.total(), dict(by_reason), n_restated, frozenset(hours))
