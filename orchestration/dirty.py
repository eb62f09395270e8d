"""Dirty hours: who wrote what, and which marks a reader has seen and may clear.

Marks are append-only rows, so writers never wait for one another. A reader works on the hours it saw
and then deletes exactly the versions it saw: a transaction that commits late brings its own mark, which
nobody has seen yet, so its rows are worked on by the next run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.settings import DEFAULT_START, landing_range
from orchestration.windows import Window, floor_hour, hour_window, hours_of, merge

Stage = Literal["calls", "scores", "charges", "labels", "prices"]

MARK = """
insert into raw.dirty_hours (hour, stage)
select hour, %(stage)s from unnest(%(hours)s::timestamptz[]) as touched (hour)
order by hour
"""

NEWEST = """
with hours as (
    select distinct hour from raw.dirty_hours
    where hour >= %(start)s and hour < %(end)s and hour <> all (%(without)s::timestamptz[])
    order by hour desc
    limit %(limit)s
)
select dirty.hour, dirty.stage, dirty.version, dirty.changed_at
from raw.dirty_hours as dirty
inner join hours using (hour)
order by dirty.hour desc, dirty.version
"""

WITHIN = """
select hour, stage, version, changed_at from raw.dirty_hours
where hour = any(%(hours)s::timestamptz[]) and stage in ('scores', 'charges')
order by hour desc, version
"""

# What another reader is deleting now is left to it: two that wait for each other's rows would be a deadlock.
CLEAR = """
with free as materialized (
    select dirty.hour, dirty.stage, dirty.version
    from raw.dirty_hours as dirty
    inner join unnest(%(hours)s::timestamptz[], %(stages)s::text[], %(versions)s::bigint[])
        as seen (hour, stage, version) using (hour, stage, version)
    for update of dirty skip locked
)
delete from raw.dirty_hours
using free
where dirty_hours.hour = free.hour
  and dirty_hours.stage = free.stage
  and dirty_hours.version = free.version
"""


@dataclass(frozen=True, slots=True)
class DirtyMark:
    """One writer's note that it changed an hour at a stage; `version` is the mark's identity."""

    hour: datetime
    stage: Stage
    version: int
    changed_at: datetime


def mark_hours(
    connection: Connection[TupleRow], moments: Iterable[datetime], *, stage: Stage
) -> list[datetime]:
    """Mark the hours the moments lie in, in the caller's transaction; returns these hours."""
    hours = sorted({floor_hour(moment) for moment in moments})
    if hours:
        connection.execute(MARK, {"stage": stage, "hours": hours})
    return hours


def snapshot(
    connection: Connection[TupleRow],
    *,
    limit_hours: int,
    start: date = DEFAULT_START,
    now: datetime | None = None,
    without: Sequence[datetime] = (),
) -> list[DirtyMark]:
    """All marks of the newest `limit_hours` dirty hours, so that a long backfill never starves today.

    Only hours that may hold calls count: from the day `start` to the end of tomorrow (UTC). A mark further
    in the future waits until its day comes near and takes no place before; one before `start` is for
    `clear_before`. Hours in `without` are passed over and take no place either.
    """
    first, last = landing_range(start, now=now or datetime.now(UTC))
    given = {"start": first, "end": last, "limit": limit_hours, "without": list(without)}
    with connection.transaction():
        rows = connection.execute(NEWEST, given).fetchall()
    return [DirtyMark(*row) for row in rows]


def result_marks(connection: Connection[TupleRow], windows: Iterable[Window]) -> list[DirtyMark]:
    """Marks of scores and charges in the hours that the windows touch.

    Taken before dbt reads the windows, they may be cleared after it. Marks of calls, labels and prices may
    not: their rows may have come after the windows were scored and charged.
    """
    with connection.transaction():
        rows = connection.execute(WITHIN, {"hours": hours_of(windows)}).fetchall()
    return [DirtyMark(*row) for row in rows]


def clear(connection: Connection[TupleRow], marks: Sequence[DirtyMark]) -> int:
    """Delete exactly these versions; returns how many were still there."""
    if not marks:
        return 0
    seen = {
        "hours": [mark.hour for mark in marks],
        "stages": [mark.stage for mark in marks],
        "versions": [mark.version for mark in marks],
    }
    with connection.transaction():
        return connection.execute(CLEAR, seen).rowcount


def clear_before(connection: Connection[TupleRow], *, start: date) -> int:
    """Delete marks before the first day: no partition will ever work on them; returns their number."""
    first = datetime.combine(start, time(), tzinfo=UTC)
    with connection.transaction():
        return connection.execute("delete from raw.dirty_hours where hour < %s", (first,)).rowcount


def dirty_windows(marks: Iterable[DirtyMark]) -> list[Window]:
    """The marked hours as the fewest windows, in order."""
    return merge(hour_window(mark.hour) for mark in marks)
