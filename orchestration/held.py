"""Held hours: dirty hours on which dbt fails, and on nothing else; they are tried again ever more rarely."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

# 1, 2, 4 … minutes, in the end an hour: an hour that was mended is in the marts at most so much later.
HOLD: LiteralString = """
insert into evaluation.held_hours as held (hour, n_failures, error, failed_at, retry_at)
values (%(hour)s, 1, %(error)s, clock_timestamp(), clock_timestamp() + interval '1 minute')
on conflict (hour) do update
set n_failures = held.n_failures + 1,
    error = excluded.error,
    failed_at = excluded.failed_at,
    retry_at = clock_timestamp() + least(60, 2 ^ least(held.n_failures, 6)) * interval '1 minute'
"""

# What no longer has a mark was worked on by somebody else, or lies before the first day.
RELEASE: LiteralString = """
delete from evaluation.held_hours as held
where held.hour = any(%(hours)s::timestamptz[])
    or not exists (select from raw.dirty_hours as dirty where dirty.hour = held.hour)
"""


def held_hours(connection: Connection[TupleRow], *, now: datetime) -> dict[datetime, bool]:
    """Every held hour, and whether it is due to be tried again at `now` (aware)."""
    query = "select hour, retry_at <= %s from evaluation.held_hours"
    with connection.transaction():
        return dict(connection.execute(query, (now,)).fetchall())


def hold(connection: Connection[TupleRow], hour: datetime, *, error: str) -> None:
    """Leave the hour out of refreshes for a while, twice as long as the last time."""
    with connection.transaction():
        connection.execute(HOLD, {"hour": hour, "error": error})


def release(connection: Connection[TupleRow], hours: Sequence[datetime] = ()) -> None:
    """Hold these hours no more, nor any that is not dirty any more."""
    with connection.transaction():
        connection.execute(RELEASE, {"hours": list(hours)})
