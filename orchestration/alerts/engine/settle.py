"""From verdicts to states, events and messages, in one transaction under the lock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.delivery.plan import current_plan
from orchestration.alerts.engine.conditions.judge import while_firing
from orchestration.alerts.engine.groups import fingerprint
from orchestration.alerts.engine.machine import Step, policy_of, step
from orchestration.alerts.engine.points import Charts
from orchestration.alerts.engine.quiet import quiet_until
from orchestration.alerts.engine.rule_reading import RuleReading
from orchestration.alerts.engine.store import (
    LOCK,
    Held,
    StateRow,
    put_event,
    read_states,
    rename_group,
    write_states,
)
from orchestration.alerts.engine.telling import tell
from orchestration.alerts.engine.transition import Transition, event_id_of
from orchestration.alerts.engine.verdict import Verdict
from orchestration.alerts.engine.wording import told


@dataclass(frozen=True, slots=True)
class Move:
    """A group's new row, what changed, and what is known for telling it."""

    row: StateRow
    transition: Transition | None
    held: Held | None


def settle(
    connection: psycopg.Connection[TupleRow],
    readings: Sequence[RuleReading],
    *,
    now: datetime,
    stale: Sequence[datetime] = (),
    only_read: bool = False,
) -> list[Transition]:
    """Write what the readings change, as of `now` (aware); returns the transitions.

    `stale`: the hours of which the marts are behind. `only_read`: nothing is said of groups that the readings
    do not name. Ticks at once take turns here; one that comes with an older moment than what is written
    changes nothing.
    """
    if not readings:
        return []
    with connection.transaction():
        connection.execute(LOCK)
        states = read_states(connection, [one.rule.name for one in readings])
        found: list[Transition] = []
        for reading in readings:
            start, end = reading.window
            is_behind = any(start <= hour < end for hour in stale)
            held = _by_present_names(connection, reading, states[reading.rule.name])
            if only_read:
                held = {key: one for key, one in held.items() if key in reading.places}
            moves = moves_of(reading, held, now=now, is_behind=is_behind)
            write_states(connection, [move.row for move in moves])
            found += _announce(connection, reading, moves, now=now)
    return found


def _by_present_names(
    connection: psycopg.Connection[TupleRow], reading: RuleReading, states: Mapping[str, Held]
) -> Mapping[str, Held]:
    """The states by the groups' text of today: a rule that names its dimensions in another order tells of the
    same alerts, so what fires goes on under the new text."""
    lost = [key for key, one in states.items() if one.dimensions and key not in reading.places]
    if not lost:
        return states
    keys = {frozenset(group): key for key, (group, _) in reading.places.items()}
    found = dict(states)
    for key in lost:
        new = keys.get(frozenset(states[key].dimensions.items()))
        if new is not None and new not in found:
            rename_group(connection, reading.rule.name, key, new=new)
            found[new] = found.pop(key)
    return found


def moves_of(
    reading: RuleReading, states: Mapping[str, Held], *, now: datetime, is_behind: bool
) -> list[Move]:
    """What changes for the groups in breach and for those that have a state; in the groups' order."""
    rule, policy = reading.rule, policy_of(reading.rule)
    moves: list[Move] = []
    for key in sorted({*reading.breaching(), *states}):
        held, verdict = states.get(key), reading.verdict(key)
        if held is not None and held.memory.state == "firing":
            verdict = while_firing(rule, verdict, baseline=held.baseline, since=held.memory.since, now=now)
        memory = held.memory if held else None
        after = step(policy, verdict, memory=memory, now=now, is_behind=is_behind)
        if after is not None:
            moves.append(_move(reading, key, verdict, after, held=held, now=now))
    return moves


def _move(
    reading: RuleReading, key: str, verdict: Verdict, after: Step, *, held: Held | None, now: datetime
) -> Move:
    rule, memory = reading.rule, after.memory
    place = reading.places.get(key)
    group = place[0] if place else tuple((held.dimensions if held else {}).items())
    begins = after.transition == "firing"
    reason = after.reason or verdict.reason
    words = reading.told(key, verdict) if reason is None else None
    message = f"{key}: {words}" if words else told(rule, key, verdict, reason=reason)
    event_id = event_id_of(rule.name, key, after.transition, now) if after.transition else None
    quiet = quiet_until(rule.quiet_hours, at=now, severity=rule.severity)
    row = StateRow(
        rule=rule.name,
        group=key,
        fingerprint=fingerprint(rule.name, group),
        dimensions=dict(group),
        labels=rule.labels,
        severity=rule.severity,
        owner=rule.owner,
        source=reading.source,
        memory=memory,
        value=verdict.value,
        threshold=verdict.threshold,
        baseline=verdict.baseline if begins or held is None else held.baseline,
        n=verdict.n,
        message=message,
        event_id=event_id if begins else held.event_id if held else None,
        held_until=quiet if begins else held.held_until if held else None,
        details=_details(verdict, after, held=held),
    )
    if event_id is None or after.transition is None:
        return Move(row, None, held)
    return Move(row, _transition(row, after.transition, event_id=event_id, now=now), held)


def _transition(
    row: StateRow, kind: Literal["firing", "resolved"], *, event_id: UUID, now: datetime
) -> Transition:
    return Transition(
        event_id=event_id,
        rule=row.rule,
        group=row.group,
        transition=kind,
        severity=row.severity,
        message=row.message,
        happened_at=now,
        value=row.value,
        threshold=row.threshold,
        n=row.n,
        baseline=row.baseline,
        fingerprint=row.fingerprint,
        dimensions=row.dimensions,
        labels=row.labels,
        details=row.details,
        owner=row.owner,
        since=row.memory.breached_at,
        source=row.source,
    )


def _details(verdict: Verdict, after: Step, *, held: Held | None) -> dict[str, Any]:
    figures = {name: getattr(verdict, name) for name in ("baseline", "low", "high", "p", "q")}
    found: dict[str, Any] = {name: value for name, value in figures.items() if value is not None}
    if after.reason is not None:
        found["reason"] = after.reason
    if after.transition == "firing" and held is not None and held.memory.state == "resolved":
        # Late data may bring back what had been told to be over.
        found["resolved_before"] = held.memory.since.isoformat()
    return found


def _announce(
    connection: psycopg.Connection[TupleRow], reading: RuleReading, moves: Collection[Move], *, now: datetime
) -> list[Transition]:
    """Write the events and their messages; quiet hours hold messages back, or take them away unsent."""
    new = [move for move in moves if move.transition is not None]
    if not new:
        return []
    plan, charts = current_plan(), Charts(connection, reading.rule, now=now)
    told_now: list[Transition] = []
    for move in new:
        transition = move.transition
        assert transition is not None
        if put_event(connection, transition):
            tell(connection, reading, transition, held=move.held, charts=charts, plan=plan)
        told_now.append(transition)
    return told_now
