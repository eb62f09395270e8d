"""A change of evaluator is told once, as what it is: neither a loss nor a gain of the product."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import LiteralString
from uuid import UUID, uuid5

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.delivery.outbox import put_message
from orchestration.alerts.delivery.plan import current_plan
from orchestration.alerts.delivery.routing import route
from orchestration.alerts.engine.groups import fingerprint
from orchestration.alerts.engine.own_rules import OWNER
from orchestration.alerts.engine.store import put_event
from orchestration.alerts.engine.transition import NAMESPACE, Transition
from orchestration.alerts.message import AlertMessage

RULE = "evaluator_change"
SUMMARY = "Evaluators changed: figures move for that reason, whatever the product does"
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


def report_changes(connection: psycopg.Connection[TupleRow], *, now: datetime) -> list[UUID]:
    """Write an event and its messages for each moment of the last day at which evaluators changed.

    Evaluators that changed together are told together. Again writes nothing; returns the events that are new.
    """
    with connection.transaction():
        rows = connection.execute(CHANGES, {"since": now - LOOK_BACK, "now": now}).fetchall()
        changes = [EvaluatorChange(*row) for row in rows]
        groups = [(at, list(group)) for at, group in groupby(changes, key=lambda change: change.at)]
        found = [_transition(at, group) for at, group in groups]
        new = [one for one in found if put_event(connection, one)]
        plan = current_plan() if new else None
        for one in new:
            message = _message(one)
            if plan is not None:
                put_message(connection, message, channels=route(message, plan))
    return [one.event_id for one in new]


def _transition(at: datetime, group: Sequence[EvaluatorChange]) -> Transition:
    steps = "|".join(f"{change.evaluator}@{change.after}" for change in group)
    subject = group[0].evaluator if len(group) == 1 else f"{len(group)} evaluators"
    named = "; ".join(str(change) for change in group[:MOST_NAMED])
    more = f"; and {len(group) - MOST_NAMED} more" if len(group) > MOST_NAMED else ""
    dimensions = {"evaluator": group[0].evaluator} if len(group) == 1 else {}
    return Transition(
        event_id=uuid5(NAMESPACE, f"{RULE}|{at.isoformat()}|{steps}"),
        rule=RULE,
        group=subject,
        transition="changed",
        severity="info",
        message=f"{named}{more}. Figures move for that reason, whatever the product does.",
        happened_at=at,
        value=group[0].shift if len(group) == 1 else None,
        n=group[0].n_shared if len(group) == 1 else None,
        fingerprint=fingerprint(RULE, (("evaluator", subject),)),
        dimensions=dimensions,
        owner=OWNER,
        since=at,
        source="evaluator",
    )


def _message(found: Transition) -> AlertMessage:
    return AlertMessage(
        event_id=found.event_id,
        fingerprint=found.fingerprint or "",
        rule=found.rule,
        group_key=found.group,
        group=found.dimensions,
        transition="changed",
        severity="info",
        owner=OWNER,
        summary=SUMMARY,
        message=found.message,
        happened_at=found.happened_at,
        since=found.happened_at,
        value=found.value,
        n=found.n,
    )
