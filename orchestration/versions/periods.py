"""Which version is current when: a step function of call time, one row a step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

PERIODS: LiteralString = """
select evaluator_version_id, current_from, current_to
from evaluation.version_periods
where evaluator = %s
order by current_from nulls first
"""

# The steps of an evaluator that nobody has promoted yet stand in evaluator_versions alone.
RECORD: LiteralString = """
insert into evaluation.version_starts (evaluator, starts_at, evaluator_version_id, cause)
select evaluator, current_from, evaluator_version_id, 'recorded'
from evaluation.version_periods
where evaluator = %(evaluator)s
    and not exists (select from evaluation.version_starts where evaluator = %(evaluator)s)
"""

FORGET_FROM: LiteralString = """
delete from evaluation.version_starts where evaluator = %(evaluator)s and starts_at >= %(start)s
"""

# A step to the version that is current anyway would only draw a boundary where there is none.
START: LiteralString = """
insert into evaluation.version_starts (evaluator, starts_at, evaluator_version_id, cause)
select %(evaluator)s, %(start)s, %(version)s, %(cause)s
where %(version)s::integer is distinct from (
    select evaluator_version_id from evaluation.version_starts
    where evaluator = %(evaluator)s and (starts_at is null or starts_at < %(start)s)
    order by starts_at desc nulls last
    limit 1
)
"""

# What a version row says of itself follows from its newest period.
SETTLE: LiteralString = """
with newest as (
    select distinct on (evaluator_version_id) evaluator_version_id, current_from, current_to
    from evaluation.version_periods
    where evaluator = %(evaluator)s
    order by evaluator_version_id, current_from desc nulls last
)
update evaluation.evaluator_versions as versions
set status = case when newest.current_to <= %(now)s then 'retired' else 'active' end,
    -- A first version has no start; when it was recorded says more than nothing.
    current_from = coalesce(newest.current_from, versions.current_from, versions.recorded_at),
    current_to = newest.current_to
from newest
where versions.id = newest.evaluator_version_id
"""

# Promoted once and for no span any more: it has been replaced over all of its days.
UNSEAT: LiteralString = """
update evaluation.evaluator_versions as versions
set status = 'retired', current_to = coalesce(current_from, %(now)s)
where evaluator = %(evaluator)s and status = 'active'
    and exists (select from evaluation.version_starts as starts where starts.evaluator = versions.evaluator)
    and not exists (
        select from evaluation.version_periods as periods where periods.evaluator_version_id = versions.id
    )
"""


# Who registers a version says so in evaluator_versions; once steps are recorded, they are what counts.
FOLLOW: LiteralString = """
insert into evaluation.version_starts (evaluator, starts_at, evaluator_version_id, cause)
select versions.evaluator, now(), versions.id, 'shipped'
from evaluation.evaluator_versions as versions
where versions.id = %(id)s
    and exists (select from evaluation.version_starts as known where known.evaluator = versions.evaluator)
    and versions.id is distinct from (
        select starts.evaluator_version_id from evaluation.version_starts as starts
        where starts.evaluator = versions.evaluator
            and (starts.starts_at is null or starts.starts_at <= now())
        order by starts.starts_at desc nulls last
        limit 1
    )
on conflict (evaluator, starts_at) do update
set evaluator_version_id = excluded.evaluator_version_id, cause = excluded.cause
"""


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span of call time in which a version is current; None: since ever, until further notice."""

    version_id: int
    start: datetime | None
    end: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Whether the version is current for a call of that moment."""
        is_begun = self.start is None or self.start <= moment
        return is_begun and (self.end is None or moment < self.end)


def periods_of(connection: Connection[TupleRow], evaluator: str) -> list[Period]:
    """An evaluator's periods in order, in the caller's transaction."""
    return [Period(*row) for row in connection.execute(PERIODS, (evaluator,))]


def current_at(periods: Sequence[Period], moment: datetime) -> int | None:
    """The id of the version that is current for a call of that moment; None where there is none."""
    return next((period.version_id for period in periods if period.holds(moment)), None)


def start_version(
    connection: Connection[TupleRow],
    evaluator: str,
    *,
    start: datetime,
    version_id: int | None,
    cause: str,
    now: datetime | None = None,
) -> None:
    """Make a version (None: none) current from `start` on for good, in the caller's transaction.

    Steps before `start` stay as they are; those at and after it go.
    """
    given = {"evaluator": evaluator, "start": start, "version": version_id, "cause": cause}
    connection.execute(RECORD, given)
    connection.execute(FORGET_FROM, given)
    connection.execute(START, given)
    settle(connection, evaluator, now=now)


def follow(connection: Connection[TupleRow], version_id: int) -> None:
    """Let a version that has just become active be current for calls from now on.

    In the caller's transaction. Nothing is done where it is current anyway, or where no step of the evaluator
    is recorded: then its versions speak for themselves.
    """
    connection.execute(FOLLOW, {"id": version_id})


def settle(connection: Connection[TupleRow], evaluator: str, *, now: datetime | None = None) -> None:
    """Bring status, `current_from` and `current_to` of the evaluator's versions in line with its periods."""
    given = {"evaluator": evaluator, "now": now or datetime.now(UTC)}
    connection.execute(SETTLE, given)
    connection.execute(UNSEAT, given)
