"""Making a version current from a day on, and ending one; earlier days keep the line that they have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.versions.bridge import ENOUGH_CALLS
from orchestration.dirty import mark_hours
from orchestration.transactions import writing
from orchestration.versions.periods import Period, current_at, periods_of, start_version
from orchestration.versions.registry import RELATION, Version, VersionError
from orchestration.windows import day_window

BRIDGED: LiteralString = """
select n_shared from evaluation.bridges where from_version_id = %s and to_version_id = %s
"""

# Per day: the calls that each version has a result for, scored or not; for the days that begin before `end`.
RESULTS: LiteralString = """
with results as (
    select started_at, call_id, evaluator_version_id as id
    from evaluation.judgements
    where evaluator_version_id = any(%(ids)s) and started_at >= %(start)s and started_at < %(end)s
    union
    select results.started_at, results.call_id, members.evaluator_version_id
    from evaluation.rule_results as results
    inner join evaluation.rule_set_members as members using (rule_set_version)
    where members.evaluator_version_id = any(%(ids)s)
        and results.started_at >= %(start)s and results.started_at < %(end)s
),
calls as (
    select started_at, call_id, bool_or(id = %(new)s) as has_new, bool_or(id <> %(new)s) as has_old
    from results
    group by 1, 2
)
select
    (started_at at time zone 'UTC')::date,
    count(*) filter (where has_old),
    count(*) filter (where has_new),
    count(*) filter (where has_old and not has_new),
    array_agg(distinct date_trunc('hour', started_at, 'UTC'))
from calls
group by 1
order by 1
"""

RESTATE: LiteralString = """
insert into evaluation.restatements (day, stage, n_calls_before, n_calls_after, reason)
values (%(day)s, 'versions', %(before)s, %(after)s, %(reason)s)
"""


class NotBridgedError(VersionError):
    """A promotion rests on too few shared calls, and nobody has said that it may."""


class GapError(VersionError):
    """A promotion from an earlier day would leave calls of that time without a score."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a promotion did. `previous` was current at `start` before; `restated` days were over already and
    are shown by the new version now. `n_shared` calls stand under the bridge from the previous one."""

    version: Version
    start: datetime
    is_changed: bool
    previous: int | None = None
    n_shared: int = 0
    restated: tuple[date, ...] = ()
    warnings: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    n_before: int
    n_after: int
    n_missing: int
    hours: Sequence[datetime]


def promote(
    connection: Connection[TupleRow],
    version: Version,
    *,
    from_day: date,
    is_bridge_waived: bool = False,
    are_gaps_waived: bool = False,
    now: datetime | None = None,
) -> Promotion:
    """Make the version current for calls of `from_day` (UTC) and later; the same again changes nothing.

    Days before keep their versions. Days from `from_day` to yesterday change what they show: their hours are
    marked for the marts, and each leaves a restatement row. Raises NotBridgedError where no bridge from the
    version before rests on 200 shared calls (unless waived), GapError where an earlier day has calls that the
    version before has judged and this one has not (unless waived).
    """
    moment = now or datetime.now(UTC)
    start = day_window(from_day).start
    with writing(connection, relation=RELATION):
        periods = periods_of(connection, version.evaluator)
        if _is_current_for_good(periods, version.id, start):
            return Promotion(version, start, is_changed=False)
        previous = current_at(periods, start)
        n_shared, warnings = _bridged(connection, previous, version, is_waived=is_bridge_waived)
        days = _days(connection, version, periods, start=start, now=moment)
        _refuse_gaps(days, version, moment.date(), is_waived=are_gaps_waived)
        start_version(
            connection, version.evaluator, start=start, version_id=version.id, cause="promoted", now=moment
        )
        restated = _restate(
            connection, days, today=moment.date(), reason=f"{version} is current from {from_day} on"
        )
    return Promotion(version, start, True, previous, n_shared, restated, warnings)


def retire(
    connection: Connection[TupleRow], version: Version, *, from_day: date, now: datetime | None = None
) -> bool:
    """End the version: no call of `from_day` or later is judged by it any more; False if it had ended.

    A draft is only marked. What the version has said of earlier days stays. Raises VersionError for a
    day before today: results that are there would vanish from closed days.
    """
    moment = now or datetime.now(UTC)
    if from_day < moment.date():
        raise VersionError(f"{from_day} is over: a version can be retired from today on")
    start = day_window(from_day).start
    with writing(connection, relation=RELATION):
        if version.status in ("draft", "shadow"):
            connection.execute(
                "update evaluation.evaluator_versions set status = 'retired' where id = %s", (version.id,)
            )
            return True
        periods = periods_of(connection, version.evaluator)
        if current_at(periods, max(start, moment)) != version.id:
            return False
        days = _days(connection, version, periods, start=start, now=moment)
        start_version(
            connection, version.evaluator, start=start, version_id=None, cause="retired", now=moment
        )
        mark_hours(connection, [hour for day in days for hour in day.hours], stage="scores")
    return True


def _is_current_for_good(periods: Sequence[Period], version_id: int, start: datetime) -> bool:
    return any(
        period.version_id == version_id and period.end is None and period.holds(start) for period in periods
    )


def _bridged(
    connection: Connection[TupleRow], previous: int | None, version: Version, *, is_waived: bool
) -> tuple[int, tuple[str, ...]]:
    """Shared calls under the bridge from the previous version; none is needed where there was no version."""
    if previous is None or previous == version.id:
        return 0, ()
    row = connection.execute(BRIDGED, (previous, version.id)).fetchone()
    n_shared: int = row[0] if row else 0
    if n_shared >= ENOUGH_CALLS:
        return n_shared, ()
    problem = (
        f"{version} shares {n_shared} bridged calls with the version before it; {ENOUGH_CALLS} are needed"
    )
    if not is_waived:
        raise NotBridgedError(
            f"{problem}: `lqo evaluators shadow` and `bridge` first, or promote --without-bridge"
        )
    return n_shared, (f"{problem}: nobody can say how far the line will jump",)


def _days(
    connection: Connection[TupleRow],
    version: Version,
    periods: Sequence[Period],
    *,
    start: datetime,
    now: datetime,
) -> list[_Day]:
    """The days from `start` to today on which the version, or one that it takes the place of, has results."""
    end = day_window(now.date()).end
    if start >= end:
        return []
    replaced = {p.version_id for p in periods if p.end is None or p.end > start}
    given = {"ids": sorted({*replaced, version.id}), "new": version.id, "start": start, "end": end}
    return [_Day(*row) for row in connection.execute(RESULTS, given)]


def _refuse_gaps(days: Sequence[_Day], version: Version, today: date, *, is_waived: bool) -> None:
    """Today is still being judged; what is over must have been judged again."""
    missing = [day for day in days if day.day < today and day.n_missing]
    if missing and not is_waived:
        n_missing = sum(day.n_missing for day in missing)
        raise GapError(
            f"{n_missing:,} calls of {missing[0].day} to {missing[-1].day} have no result of {version}:"
            f" `lqo evaluators shadow` these days first, or promote --with-gaps"
        )


def _restate(
    connection: Connection[TupleRow], days: Sequence[_Day], *, today: date, reason: str
) -> tuple[date, ...]:
    mark_hours(connection, [hour for day in days for hour in day.hours], stage="scores")
    over = [day for day in days if day.day < today]
    for day in over:
        given = {"day": day.day, "before": day.n_before, "after": day.n_after, "reason": reason}
        connection.execute(RESTATE, given)
    return tuple(day.day for day in over)
