"""From rows to tables: COPY into a temporary stage, settle ids, insert, settle what was there."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from ingest.landing import statements
from ingest.landing.batch_ids import foreign_v7
from ingest.landing.blocks import body_fields, send, stage_rows
from ingest.landing.fresh import insert_fresh
from ingest.landing.prepare import Row
from ingest.landing.result import LandingResult, Reject

_OTHER_TIME = "this id has landed with another time"
_OTHER_EXTERNAL = "this external id has landed with another time or content"
_OTHER_CONTENT = "this call has landed with another content"


@dataclass(frozen=True, slots=True)
class _Settled:
    rejected: tuple[Reject, ...] = ()
    already_there: int = 0

    @property
    def count(self) -> int:
        return len(self.rejected) + self.already_there


def insert_rows(connection: Connection[TupleRow], rows: Sequence[Row]) -> LandingResult:
    """Land `rows` (sorted by key, each id once) in the caller's transaction, and mark their hours.

    Raises psycopg.Error with nothing landed when Postgres refuses a row.
    """
    if not rows:
        return LandingResult()
    bodies = body_fields(rows)
    if insert_fresh(connection, rows, bodies=bodies):
        return LandingResult(landed=len(rows))
    with connection.cursor() as cursor:
        cursor.execute(statements.CREATE)
        cursor.execute(statements.EMPTY)
        send(cursor, statements.COPY, stage_rows(rows, bodies))
        ids = _settle_ids(cursor, rows)
        landed = _count(cursor, statements.INSERT)
        known = len(rows) - ids.count - landed
        replaced, rejected = _settle_known(cursor) if known else (0, ())
    return LandingResult(
        landed=landed + replaced,
        already_there=ids.already_there + known - replaced - len(rejected),
        rejected=ids.rejected + rejected,
    )


def _settle_ids(cursor: Cursor[TupleRow], rows: Sequence[Row]) -> _Settled:
    """Take rows whose id is known otherwise out of the stage; enter the external ids of the others."""
    settled = _drop(cursor, conflicts=_other_times(cursor, rows), detail=_OTHER_TIME, known=[])
    given = sum(row.call.external_id is not None for row in rows)
    if not given:
        return settled
    cursor.execute(statements.INSERT_IDS)
    if cursor.rowcount >= given:
        return settled
    found = cursor.execute(statements.KNOWN_IDS).fetchall()
    conflicts = [ordinal for ordinal, is_same in found if not is_same]
    known = [ordinal for ordinal, is_same in found if is_same]
    more = _drop(cursor, conflicts=conflicts, detail=_OTHER_EXTERNAL, known=known)
    return _Settled(settled.rejected + more.rejected, settled.already_there + more.already_there)


def _other_times(cursor: Cursor[TupleRow], rows: Sequence[Row]) -> list[int]:
    """Rows whose id came before with another time: once as `call_id`, once as an external id."""
    foreign = [
        (row.index, value)
        for row in rows
        if (value := foreign_v7(row.call.external_id, unless=row.call.call_id))
    ]
    found = cursor.execute(statements.SAME_CALL_OTHER_ID).fetchall()
    if foreign:
        indexes, values = zip(*foreign, strict=True)
        found += cursor.execute(statements.SAME_ID_OTHER_TIME, ([*indexes], [*values])).fetchall()
    return [ordinal for (ordinal,) in found]


def _drop(cursor: Cursor[TupleRow], *, conflicts: list[int], detail: str, known: list[int]) -> _Settled:
    if conflicts or known:
        cursor.execute(statements.DROP, ([*conflicts, *known],))
    return _Settled(_conflicts(conflicts, detail=detail), len(known))


def _settle_known(cursor: Cursor[TupleRow]) -> tuple[int, tuple[Reject, ...]]:
    """Replace interrupted rows by their END; refuse calls that say something else than the row there."""
    replaced, conflicts = 0, list[int]()
    for ordinal, started_at, call_id, is_interrupted in cursor.execute(statements.DIFFERENT).fetchall():
        if is_interrupted:
            key = {"ordinal": ordinal, "started_at": started_at, "call_id": call_id}
            replaced += _count(cursor, statements.REPLACE, key)
        else:
            conflicts.append(ordinal)
    if conflicts:
        cursor.execute(statements.FORGET_IDS, (conflicts,))
    return replaced, _conflicts(conflicts, detail=_OTHER_CONTENT)


def _conflicts(ordinals: Sequence[int], *, detail: str) -> tuple[Reject, ...]:
    return tuple(Reject(ordinal, "conflicting_duplicate", detail) for ordinal in ordinals)


def _count(
    cursor: Cursor[TupleRow], statement: statements.Statement, key: dict[str, object] | None = None
) -> int:
    row = cursor.execute(statement, key).fetchone()
    return 0 if row is None else row[0]
