"""A change of evaluator is told once, as what it is: neither a loss nor a gain of the product."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import LiteralString
from uuid import UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

from orchestration.alerts.evaluate import CHANNELS, NAMESPACE, PUT_EVENT, PUT_MESSAGE
from orchestration.alerts.slack import slack_message

RULE = "evaluator_change"
# What became current longer ago (a promotion for days that are over) is in evaluation.restatements.
LOOK_BACK = timedelta(days=1)
MOST_NAMED = 5

CHANGES: LiteralString = """
with steps as (
    select
        evaluator,
        evaluator_version_id,
        evaluator_version,
        current_from,
        lag(evaluator_version_id) over by_time as previous_id,
        lag(evaluator_version) over by_time as previous_version
    from evaluation.version_periods
    window by_time as (partition by evaluator order by current_from nulls first)
)
select
    steps.current_from, steps.evaluator, steps.previous_version, steps.evaluator_version,
    bridges.shift, bridges.n_shared
from steps
left join evaluation.bridges
    on bridges.from_version_id = steps.previous_id and bridges.to_version_id = steps.evaluator_version_id
where steps.current_from > %(since)s and steps.current_from <= %(now)s and steps.previous_id is not null
order by steps.current_from, steps.evaluator
"""


@dataclass(frozen=True, slots=True)
class EvaluatorChange:
    """An evaluator's step from one version to the next; `shift` and `n_shared` are the bridge's, if any."""

    at: datetime
    evaluator: str
    before: str
    after: str
    shift: float | None
    n_shared: int | None

    def __str__(self) -> str:
        step = f"{self.evaluator} {self.before} → {self.after}"
        if self.shift is None:
            return f"{step}, not bridged yet"
        return f"{step}, {self.shift:+.3f} on {self.n_shared:,} shared calls"


def report_changes(
    connection: psycopg.Connection, *, now: datetime, channels: Sequence[str] = CHANNELS
) -> list[UUID]:
    """Write an event and its messages for each moment of the last day at which evaluators changed.

    Evaluators that changed together are told together. Again writes nothing; returns the events that are new.
    """
    with connection.transaction():
        rows = connection.execute(CHANGES, {"since": now - LOOK_BACK, "now": now}).fetchall()
        changes = [EvaluatorChange(*row) for row in rows]
        groups = [(at, list(group)) for at, group in groupby(changes, key=lambda change: change.at)]
        return [
            event_id
            for at, group in groups
            if (event_id := _write(connection, at, group, channels=channels)) is not None
        ]


def _write(
    connection: psycopg.Connection, at: datetime, group: list[EvaluatorChange], *, channels: Sequence[str]
) -> UUID | None:
    steps = "|".join(f"{change.evaluator}@{change.after}" for change in group)
    event_id = uuid5(NAMESPACE, f"{RULE}|{at.isoformat()}|{steps}")
    subject = group[0].evaluator if len(group) == 1 else f"{len(group)} evaluators"
    named = "; ".join(str(change) for change in group[:MOST_NAMED])
    more = f"; and {len(group) - MOST_NAMED} more" if len(group) > MOST_NAMED else ""
    message = f"{named}{more}. Figures move for that reason, whatever the product does."
    shift, n = (group[0].shift, group[0].n_shared) if len(group) == 1 else (None, None)
    values = (event_id, RULE, subject, "changed", "info", shift, None, n, message, at)
    if not connection.execute(PUT_EVENT, values).rowcount:
        return None
    payload = slack_message(
        event_id=str(event_id),
        rule=RULE,
        group=subject,
        transition="changed",
        severity="info",
        message=message,
        happened_at=at,
    )
    for channel in channels:
        connection.execute(PUT_MESSAGE, (event_id, channel, Jsonb(payload), at))
    return event_id
