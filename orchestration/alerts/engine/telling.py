"""A transition as the message that channels render, laid into the outbox."""

from datetime import datetime
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.delivery.outbox import put_message
from orchestration.alerts.delivery.plan import Plan
from orchestration.alerts.delivery.routing import route
from orchestration.alerts.engine.links import links_of
from orchestration.alerts.engine.points import Charts
from orchestration.alerts.engine.quiet import quiet_until
from orchestration.alerts.engine.rule_reading import RuleReading
from orchestration.alerts.engine.store import Held
from orchestration.alerts.engine.transition import Transition
from orchestration.alerts.message import AlertMessage

HOLD_BACK: LiteralString = (
    "update alerting.outbox set next_attempt_at = greatest(next_attempt_at, %s) where event_id = %s"
)
# What is being sent at this moment is told.
WITHDRAW: LiteralString = """
delete from alerting.outbox
where event_id = %s and sent_at is null and attempts = 0 and (claimed_until is null or claimed_until < now())
"""
IS_LEFT: LiteralString = "select exists (select from alerting.outbox where event_id = %s)"


def tell(
    connection: psycopg.Connection[TupleRow],
    reading: RuleReading,
    found: Transition,
    *,
    held: Held | None,
    charts: Charts,
    plan: Plan,
) -> None:
    """Lay the message into the outbox, in the caller's transaction, which has written the event.

    What begins in quiet hours waits until they end. If it has ended by then, nobody is told of either.
    """
    if found.transition == "resolved" and _is_withdrawn(connection, held, now=found.happened_at):
        return
    message = message_of(reading, found, charts=charts)
    put_message(connection, message, channels=route(message, plan))
    until = quiet_until(reading.rule.quiet_hours, at=found.happened_at, severity=found.severity)
    if until is not None:
        connection.execute(HOLD_BACK, (until, found.event_id))


def message_of(reading: RuleReading, found: Transition, *, charts: Charts) -> AlertMessage:
    """All that a channel needs to render the transition."""
    rule = reading.rule
    return AlertMessage(
        event_id=found.event_id,
        fingerprint=found.fingerprint or "",
        rule=rule.name,
        group_key=found.group,
        group=found.dimensions,
        transition="resolved" if found.transition == "resolved" else "firing",
        severity=rule.severity,
        owner=rule.owner,
        summary=rule.summary,
        message=found.message,
        happened_at=found.happened_at,
        since=found.since or found.happened_at,
        value=found.value,
        threshold=found.threshold,
        baseline=found.baseline,
        n=found.n or None,
        unit=unit_of(rule),
        labels=found.labels,
        links=links_of(rule, found, extra=reading.links),
        points=charts.points(found.dimensions),
        runbook=rule.runbook,
        channels=rule.channels,
    )


def unit_of(rule: Rule) -> str:
    """The unit of the value that is told: of a budget's pace it is none."""
    return "number" if rule.condition.__struct_config__.tag == "burn_rate" else rule.metric.unit


def _is_withdrawn(connection: psycopg.Connection[TupleRow], held: Held | None, *, now: datetime) -> bool:
    """Whether nobody has been told that it began, and now nobody will be."""
    if held is None or held.event_id is None or held.held_until is None or held.held_until <= now:
        return False
    connection.execute(WITHDRAW, (held.event_id,))
    return connection.execute(IS_LEFT, (held.event_id,)).fetchone() == (False,)
