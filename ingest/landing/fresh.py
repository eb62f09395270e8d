"""The short way of a batch of which nothing is known yet: COPY straight into the tables.

It costs Postgres half of what the way over the stage does. Whatever is known already ends it, and the
stage settles what to do.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg
from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from ingest.landing import statements
from ingest.landing.batch_ids import foreign_v7
from ingest.landing.blocks import body_rows, call_rows, send
from ingest.landing.prepare import Row
from ingest.uuid7 import EPOCH

_HOUR_MILLISECONDS = 3_600_000
_PROBES = 8


class _KnownError(Exception):
    """Some call of the batch has landed before, or its id has."""


def insert_fresh(connection: Connection[TupleRow], rows: Sequence[Row], *, bodies: Sequence[bytes]) -> bool:
    """Land `rows` and mark their hours, or change nothing and say False if any of them is known."""
    try:
        with connection.transaction(), connection.cursor() as cursor:
            _probe(cursor, rows)
            _enter_ids(cursor, rows)
            send(cursor, statements.COPY_CALLS, call_rows(rows))
            send(cursor, statements.COPY_BODIES, body_rows(rows, bodies))
            cursor.execute(statements.MARK, (_hours(rows),))
    except (_KnownError, psycopg.errors.UniqueViolation):
        return False
    return True


def _probe(cursor: Cursor[TupleRow], rows: Sequence[Row]) -> None:
    """Look for some of the calls: a COPY that fails late leaves its rows for vacuum to clear away."""
    step = max(1, len(rows) // _PROBES)
    ids = [row.call.call_id for row in rows[::step]]
    foreign = (foreign_v7(row.call.external_id, unless=row.call.call_id) for row in rows)
    ids += [call_id for call_id in foreign if call_id is not None]
    _refuse_any(cursor, statements.ANY_CALL, ids)
    imported = [row.call for row in rows if row.call.source == "import" and row.call.external_id is None]
    if imported:
        _refuse_any(cursor, statements.ANY_EXTERNAL, [str(call.call_id) for call in imported])


def _enter_ids(cursor: Cursor[TupleRow], rows: Sequence[Row]) -> None:
    named = [row for row in rows if row.call.external_id is not None]
    if not named:
        return
    columns = (
        [row.call.source for row in named],
        [row.call.external_id for row in named],
        [row.call.call_id for row in named],
        [row.content_hash for row in named],
    )
    if cursor.execute(statements.ENTER_IDS, columns).rowcount < len(named):
        raise _KnownError


def _refuse_any(cursor: Cursor[TupleRow], statement: statements.Statement, ids: Sequence[object]) -> None:
    if cursor.execute(statement, ([*ids],)).fetchone() is not None:
        raise _KnownError


def _hours(rows: Sequence[Row]) -> list[datetime]:
    hours = {(row.call.call_id.int >> 80) // _HOUR_MILLISECONDS for row in rows}
    return [EPOCH + timedelta(hours=hour) for hour in sorted(hours)]
