"""Closing a day: all its calls are here, as far as every spool can say; and opening it again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.dirty import DirtyMark
from orchestration.transactions import writing
from orchestration.windows import Window, day_window

RELATION = "evaluation.day_closes"
# Scores and charges of a day are written after its calls are closed: they reopen nothing.
REASONS = {
    "calls": "calls changed after the close",
    "labels": "labels changed after the close",
    "prices": "prices were corrected after the close",
}

# One statement, one snapshot: a call that is counted is one whose mark was there to be seen, if any was.
SEE_CALLS: LiteralString = """
select
    (select count(*) from raw.llm_calls where started_at >= %(start)s and started_at < %(end)s),
    array(
        select version from raw.dirty_hours
        where hour >= %(start)s and hour < %(end)s and stage = 'calls'
        order by version
    )
"""

# A spool that has never reported a watermark may hold calls of any day.
LATE_SPOOLS: LiteralString = """
select
    min(low_watermark),
    coalesce(
        array_agg(host || ':' || path order by host, path)
            filter (where low_watermark is null or low_watermark < %(end)s),
        '{}'
    )
from ingest.spools
where retired_at is null
"""

HELD: LiteralString = """
select n_calls, closed_at, reopened_at is not null and reopened_at >= closed_at, seen_marks
from evaluation.day_closes
where day = %(day)s
"""

CLOSE: LiteralString = """
insert into evaluation.day_closes (day, n_calls, low_watermark, seen_marks, closed_at)
values (%(day)s, %(n_calls)s, %(low_watermark)s, %(seen_marks)s, clock_timestamp())
on conflict (day) do update
set n_calls = excluded.n_calls,
    low_watermark = excluded.low_watermark,
    seen_marks = excluded.seen_marks,
    closed_at = excluded.closed_at
"""

REOPEN: LiteralString = """
update evaluation.day_closes
set n_calls = %(n_calls)s, reopened_at = clock_timestamp()
where day = %(day)s
"""

# A probe of the primary key a day. Days that a spool still holds open are left out, so that they take no
# place; ORDER BY keeps the planner from reading a whole month for a day without calls.
UNCLOSED: LiteralString = """
select days.day
from generate_series(%(start)s::date, %(before)s::date - 1, interval '1 day') as series (moment)
cross join lateral (
    select moment::date as day,
        moment::date::timestamp at time zone 'UTC' as starts_at,
        (moment::date + 1)::timestamp at time zone 'UTC' as ends_at
) as days
cross join lateral (
    select from raw.llm_calls as calls
    where calls.started_at >= days.starts_at and calls.started_at < days.ends_at
    order by calls.started_at
    limit 1
) as any_call
where not exists (select from evaluation.day_closes where day_closes.day = days.day)
    and not exists (
        select from ingest.spools
        where retired_at is null and (low_watermark is null or low_watermark < days.ends_at)
    )
order by days.day desc
limit %(limit)s
"""

RESTATE: LiteralString = """
insert into evaluation.restatements (day, stage, n_calls_before, n_calls_after, reason)
values (%(day)s, %(stage)s, %(before)s, %(n_calls)s, %(reason)s)
"""


@dataclass(frozen=True, slots=True)
class DayClose:
    """Where a day stands. `late_spools` (host:path) are those whose watermark has not passed its end;
    `low_watermark` is the lowest of all live spools, None without one. `is_restated`: it had been closed
    with another number of calls, `n_calls_before`."""

    day: date
    state: Literal["open", "closed"]
    n_calls: int
    low_watermark: datetime | None
    late_spools: tuple[str, ...] = ()
    n_calls_before: int | None = None

    @property
    def is_restated(self) -> bool:
        return self.n_calls_before is not None and self.n_calls_before != self.n_calls


def close_day(connection: Connection[TupleRow], day: date, *, now: datetime | None = None) -> DayClose:
    """Close a UTC day once it is over and every live spool has landed all of it; again changes nothing.

    A closed day whose calls no longer number what they did is reopened with a restatement row, and closed
    with the new count if nothing is late. The connection must be outside a transaction.
    """
    window = day_window(day)
    is_over = (now or datetime.now(UTC)) >= window.end
    with writing(connection, relation=RELATION):
        low_watermark, late_spools = _watermark(connection, window)
        n_calls, seen_marks = _see_calls(connection, window)
        held = _held(connection, day)
        if held is not None and held.n_calls != n_calls:
            _reopen(connection, day, stage="calls", before=held.n_calls, n_calls=n_calls)
        is_closed = held is not None and not held.is_open and held.n_calls == n_calls
        if not is_closed and is_over and not late_spools:
            given = {"day": day, "n_calls": n_calls, "low_watermark": low_watermark, "seen_marks": seen_marks}
            connection.execute(CLOSE, given)
            is_closed = True
    return DayClose(
        day=day,
        state="closed" if is_closed else "open",
        n_calls=n_calls,
        low_watermark=low_watermark,
        late_spools=late_spools,
        n_calls_before=None if held is None else held.n_calls,
    )


def reopen_changed(connection: Connection[TupleRow], marks: Iterable[DirtyMark]) -> list[date]:
    """Reopen the closed days that the marks say changed since, each with a restatement row.

    A day counts as changed if there is a mark of calls that its close did not see, or if its calls number
    something else. A mark's time does not tell: a transaction that began before the close and committed after
    it has an old one. A correction counts however old its mark is: what it corrects is only worked on now.
    """
    by_day: dict[date, list[DirtyMark]] = {}
    for mark in marks:
        if mark.stage in REASONS:
            by_day.setdefault(mark.hour.astimezone(UTC).date(), []).append(mark)
    return [
        day for day, day_marks in sorted(by_day.items()) if _reopen_if_changed(connection, day, day_marks)
    ]


def reopened_days(connection: Connection[TupleRow]) -> list[date]:
    """Days that were closed, changed since, and wait to be closed again; oldest first."""
    with connection.transaction():
        rows = connection.execute(
            "select day from evaluation.day_closes where reopened_at >= closed_at order by day"
        ).fetchall()
    return [day for (day,) in rows]


def unclosed_days(connection: Connection[TupleRow], *, start: date, before: date, limit: int) -> list[date]:
    """The newest days from `start` to before `before` that hold calls, were never closed and could be now.

    A spool was late when their night came, nothing ran that night, or their calls were imported since.
    """
    with connection.transaction():
        rows = connection.execute(UNCLOSED, {"start": start, "before": before, "limit": limit}).fetchall()
    return [day for (day,) in rows]


@dataclass(frozen=True, slots=True)
class _Held:
    n_calls: int
    closed_at: datetime
    is_open: bool
    seen_marks: frozenset[int] | None


def _reopen_if_changed(connection: Connection[TupleRow], day: date, marks: list[DirtyMark]) -> bool:
    with writing(connection, relation=RELATION):
        held = _held(connection, day)
        if held is None:
            return False
        n_calls, _ = _see_calls(connection, day_window(day))
        later = {mark.stage for mark in marks if not held.is_open and _is_later(mark, held)}
        if n_calls != held.n_calls:
            later.add("calls")
        for stage in sorted(later):
            _reopen(connection, day, stage=stage, before=held.n_calls, n_calls=n_calls)
        return bool(later)


def _is_later(mark: DirtyMark, held: _Held) -> bool:
    if mark.stage != "calls":
        return True
    if held.seen_marks is None:
        return mark.changed_at > held.closed_at
    return mark.version not in held.seen_marks


def _held(connection: Connection[TupleRow], day: date) -> _Held | None:
    row = connection.execute(HELD, {"day": day}).fetchone()
    if row is None:
        return None
    n_calls, closed_at, is_open, seen_marks = row
    return _Held(n_calls, closed_at, is_open, None if seen_marks is None else frozenset(seen_marks))


def _see_calls(connection: Connection[TupleRow], window: Window) -> tuple[int, list[int]]:
    row = connection.execute(SEE_CALLS, {"start": window.start, "end": window.end}).fetchone()
    return (row[0], row[1]) if row else (0, [])


def _watermark(connection: Connection[TupleRow], window: Window) -> tuple[datetime | None, tuple[str, ...]]:
    row = connection.execute(LATE_SPOOLS, {"end": window.end}).fetchone()
    return (row[0], tuple(row[1])) if row else (None, ())


def _reopen(connection: Connection[TupleRow], day: date, *, stage: str, before: int, n_calls: int) -> None:
    given = {"day": day, "stage": stage, "before": before, "n_calls": n_calls, "reason": REASONS[stage]}
    connection.execute(REOPEN, given)
    connection.execute(RESTATE, given)
