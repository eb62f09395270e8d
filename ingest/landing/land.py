"""Landing: calls become rows, once, or counted rejects. Loader and importers both end here."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.call import Call
from ingest.landing.dead_letters import DeadLetter, bury, call_record
from ingest.landing.months import ensure_months
from ingest.landing.prepare import Prepared, Row, prepare
from ingest.landing.result import LandingResult, Reject
from ingest.landing.stage import insert_rows
from ingest.settings import DEFAULT_START, landing_range

T = TypeVar("T")

# Data exceptions, violated constraints, and limits of the server (a document nested too deeply): the
# fault is in a row. Everything else is the server's or ours, and no row is to blame.
_ROW_FAULTS = ("22", "23", "54")
_CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_ATTEMPTS = 5


def land_calls(
    connection: Connection[TupleRow],
    calls: Sequence[Call],
    *,
    load_id: UUID,
    origin: str,
    now: datetime,
    start: date = DEFAULT_START,
) -> LandingResult:
    """Land `calls` in one transaction (a savepoint, if the caller is in one): rows, hours, dead letters.

    What may land starts between `start` and tomorrow, seen from `now`. Landing the same calls again
    changes nothing. Raises psycopg.Error, with nothing landed, when the server or the connection fails.
    """
    earliest, latest = landing_range(start, now=now)
    prepared = prepare(calls, load_id=load_id, earliest=earliest, latest=latest)
    ensure_months(connection, prepared.months)

    def letter(reject: Reject) -> DeadLetter:
        return letter_of(calls[reject.index], reject, origin=origin, position=str(reject.index))

    return retry_conflicts(
        connection, lambda: land_prepared(connection, prepared, load_id=load_id, letter=letter)
    )


def land_prepared(
    connection: Connection[TupleRow],
    prepared: Prepared,
    *,
    load_id: UUID,
    letter: Callable[[Reject], DeadLetter],
) -> LandingResult:
    """The part of `land_calls` that talks to Postgres; the months must be there.

    `letter` says what is kept of a refused call.
    """
    with connection.transaction():
        result = _insert(connection, prepared.rows)
        rejected = tuple(sorted(prepared.rejected + result.rejected, key=lambda reject: reject.index))
        bury(connection, [letter(reject) for reject in rejected], load_id=load_id)
    return LandingResult(result.landed, result.already_there + prepared.already_there, rejected)


def retry_conflicts(connection: Connection[TupleRow], work: Callable[[], T]) -> T:
    """Run `work`, a whole transaction, again after a deadlock or serialization failure (5 attempts).

    Inside a transaction of the caller's it runs once: only the whole can be tried again.
    """
    is_whole = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    for _ in range(_ATTEMPTS - 1 if is_whole else 0):
        try:
            return work()
        except _CONFLICTS:
            continue
    return work()


def letter_of(call: Call, reject: Reject, *, origin: str, position: str) -> DeadLetter:
    """A refused call as a line of canonical JSONL, so that it can be mended and imported."""
    return DeadLetter(
        source=call.source,
        origin=origin,
        position=position,
        reason=reject.reason,
        detail=reject.detail,
        record=call_record(call),
    )


def _insert(connection: Connection[TupleRow], rows: Sequence[Row]) -> LandingResult:
    """Insert `rows`; where one is refused, halve until the rows at fault stand alone."""
    try:
        with connection.transaction():
            return insert_rows(connection, rows)
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in _ROW_FAULTS:
            raise
        if len(rows) == 1:
            detail = (error.diag.message_primary or str(error)).partition("\n")[0]
            return LandingResult(rejected=(Reject(rows[0].index, "refused_by_postgres", detail),))
    middle = len(rows) // 2
    return _insert(connection, rows[:middle]) + _insert(connection, rows[middle:])
