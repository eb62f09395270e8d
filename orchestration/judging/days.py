"""Days that judges have worked on, and those that wait for their top-up."""

from collections.abc import Sequence
from datetime import date
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.judging.judges import Processing

IS_CLOSED: LiteralString = """
select exists (
    select from evaluation.day_closes
    where day = %s and not (reopened_at is not null and reopened_at >= closed_at)
)
"""

MARK: LiteralString = """
insert into evaluation.judge_days (evaluator_version_id, day, policy, topped_up_at)
values (%(version)s, %(day)s, %(policy)s, case when %(is_topped_up)s then clock_timestamp() end)
on conflict (evaluator_version_id, day) do update
set policy = excluded.policy,
    last_run_at = clock_timestamp(),
    topped_up_at = coalesce(excluded.topped_up_at, judge_days.topped_up_at)
"""

# A day that was reopened and closed again is due again.
DUE: LiteralString = """
select distinct closes.day
from evaluation.judges
inner join evaluation.judge_policies using (policy)
inner join evaluation.evaluator_versions as versions on versions.id = judges.evaluator_version_id
-- A release that asks in other words makes a new version: it must not pay for the days before it again.
inner join evaluation.day_closes as closes
    on closes.day >= greatest(judge_policies.applies_from, (versions.current_from at time zone 'UTC')::date)
where judges.is_enabled
    and judges.processing = %(processing)s
    and closes.day < %(before)s
    and not (closes.reopened_at is not null and closes.reopened_at >= closes.closed_at)
    and not exists (
        select from evaluation.judge_days
        where judge_days.evaluator_version_id = judges.evaluator_version_id
            and judge_days.day = closes.day
            and judge_days.topped_up_at > closes.closed_at
    )
order by closes.day desc
limit %(limit)s
"""


def is_closed(connection: Connection[TupleRow], day: date) -> bool:
    """Whether all calls of the day are here, as far as every spool can say."""
    with connection.transaction():
        row = connection.execute(IS_CLOSED, (day,)).fetchone()
    return bool(row and row[0])


def mark_day(
    connection: Connection[TupleRow], day: date, *, version: int, policy: str, is_topped_up: bool
) -> None:
    """Say that the judge works on the day; `is_topped_up` that its strata have had their second phase."""
    given = {"version": version, "day": day, "policy": policy, "is_topped_up": is_topped_up}
    with connection.transaction():
        connection.execute(MARK, given)


def due_days(
    connection: Connection[TupleRow], *, before: date, limit: int, processing: Processing = "direct"
) -> Sequence[date]:
    """The newest closed days before `before` that a judge who is asked this way has not finished since."""
    with connection.transaction():
        given = {"before": before, "limit": limit, "processing": processing}
        rows = connection.execute(DUE, given).fetchall()
    return sorted(day for (day,) in rows)
