"""From marts to transitions: each rule and model is pending, firing or resolved, and changes once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

from evaluators.statistics.differences import difference
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.wilson import wilson
from evaluators.versions.shift import NO_SHIFT, mix
from orchestration.alerts.rules import RULES, ShareRule
from orchestration.alerts.slack import slack_message
from orchestration.versions.scale import failing_scale

# A message's id follows from what it says, so a second evaluation of the same moment writes nothing new.
NAMESPACE = UUID("6f1c2f0e-4f3e-5d51-9b1a-3a1f5f0c7a11")
CHANNELS = ("slack",)

State = Literal["pending", "firing", "resolved"]

LOCK = "select pg_advisory_xact_lock(hashtextextended('alerting.states', 0))"
SHARES = """
select model, rule_set_version, sum(n_scored)::bigint, sum(n_failed)::bigint
from marts.failing_hourly
where hour >= %s and hour < %s
group by model, rule_set_version
"""
STATES = "select group_key, state, since, evaluated_at from alerting.states where rule = %s"
IS_BEHIND = """
select exists (select from raw.dirty_hours where hour >= %s and hour < %s and changed_at < %s)
"""
# A refresh takes a minute or two and an import some more; marks older than that say that refreshes fail.
LONGEST_REFRESH = timedelta(minutes=30)
HAS_MART = "select to_regclass('marts.failing_hourly') is not null"
PUT_STATE = """
insert into alerting.states (rule, group_key, state, since, value, n, evaluated_at)
values (%s, %s, %s, %s, %s, %s, %s)
on conflict (rule, group_key) do update set
    state = excluded.state,
    since = excluded.since,
    value = excluded.value,
    n = excluded.n,
    evaluated_at = excluded.evaluated_at
"""
PUT_EVENT = """
insert into alerting.events
    (event_id, rule, group_key, transition, severity, value, threshold, n, message, happened_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (event_id) do nothing
"""
PUT_MESSAGE = """
insert into alerting.outbox (event_id, channel, payload, created_at, next_attempt_at)
values (%s, %s, %s, %s, now())
on conflict (event_id, channel) do nothing
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """A model's window: `n_failed` of `n` scored calls.

    `offset` is what the rule sets of these calls add to the share of the same calls, against the rule set
    that the threshold was chosen for: another evaluator is not another product.
    """

    group: str
    n: int
    n_failed: int
    offset: Estimate = NO_SHIFT

    @property
    def share(self) -> float:
        """The failing share on the threshold's scale; it may leave 0 to 1 where the offset does not fit."""
        return self.n_failed / self.n - self.offset.value if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, with the doubt of the offset; all of 0 to 1 where nothing was scored."""
        if not self.n:
            return 0.0, 1.0
        found = difference(wilson(self.n_failed, self.n), self.offset)
        return found.low, found.high


@dataclass(frozen=True, slots=True)
class Current:
    """What is known of a rule and model before this evaluation."""

    state: State
    since: datetime
    evaluated_at: datetime


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule began or ceased to fire for a model; `event_id` is the same whoever finds out, and again.

    `value` None: there is nothing to say a figure of any more.
    """

    event_id: UUID
    rule: str
    group: str
    transition: Literal["firing", "resolved"]
    severity: str
    value: float | None
    threshold: float
    n: int
    message: str
    happened_at: datetime


def evaluate_rules(
    connection: psycopg.Connection,
    *,
    now: datetime,
    rules: Sequence[ShareRule] = RULES,
    channels: Sequence[str] = CHANNELS,
) -> list[Transition]:
    """Evaluate every rule on the marts as of `now` (aware); write states, events and outbox at once.

    A moment at or before the last evaluation of a rule and model changes nothing, so replays are safe. While
    the marts are behind, a model without calls there is no news: what fires goes on.
    """
    with connection.transaction():
        connection.execute(LOCK)
        if not (connection.execute(HAS_MART).fetchone() or (False,))[0]:
            return []
        found = [t for rule in rules for t in _evaluate(connection, rule, now=now)]
        for transition in found:
            write_transition(connection, transition, channels=channels)
    return found


def next_state(rule: ShareRule, reading: Reading, *, current: Current | None, now: datetime) -> State | None:
    """The state after this reading; None while there never was a breach."""
    is_firing = current is not None and current.state == "firing"
    if is_firing and reading.n > 0 and (reading.n < rule.minimum_n or reading.share > rule.resolve_at):
        return "firing"
    if not _is_breach(rule, reading):
        return "resolved" if current is not None else None
    is_pending = current is not None and current.state == "pending"
    since = current.since if current is not None and is_pending else now
    return "firing" if now - since >= rule.hold else "pending"


def _evaluate(connection: psycopg.Connection, rule: ShareRule, *, now: datetime) -> Iterator[Transition]:
    rows = connection.execute(STATES, (rule.name,)).fetchall()
    states = {group: Current(state, since, at) for group, state, since, at in rows}
    readings = _readings(connection, rule, now=now)
    behind = connection.execute(IS_BEHIND, (now - rule.window, now, now - LONGEST_REFRESH)).fetchone()
    for group in sorted(states.keys() | readings.keys()):
        reading, current = readings.get(group, Reading(group, 0, 0)), states.get(group)
        if current is not None and (now <= current.evaluated_at or (reading.n == 0 and behind == (True,))):
            continue
        state = next_state(rule, reading, current=current, now=now)
        if state is None:
            continue
        is_change = current is None or current.state != state
        since = now if current is None or is_change else current.since
        values = (rule.name, group, state, since, reading.share, reading.n, now)
        connection.execute(PUT_STATE, values)
        was_firing = current is not None and current.state == "firing"
        if is_change and (state == "firing" or (state == "resolved" and was_firing)):
            yield _transition(rule, reading, state=state, now=now)


def _readings(connection: psycopg.Connection, rule: ShareRule, *, now: datetime) -> dict[str, Reading]:
    """Each model's window on one scale, whichever rule sets judged its calls."""
    rows = connection.execute(SHARES, (now - rule.window, now)).fetchall()
    scale = failing_scale(connection, {rule_set for _, rule_set, _, _ in rows}, at=rule.chosen_at)
    models: dict[str, list[tuple[int, int, int]]] = {}
    for model, *counts in rows:
        models.setdefault(model, []).append((counts[0], counts[1], counts[2]))
    return {
        model: Reading(
            model,
            n=sum(n for _, n, _ in counts),
            n_failed=sum(n_failed for _, _, n_failed in counts),
            offset=mix([(n, scale.offset(rule_set, model=model)) for rule_set, n, _ in counts]),
        )
        for model, counts in models.items()
    }


def _is_breach(rule: ShareRule, reading: Reading) -> bool:
    return reading.n >= rule.minimum_n and reading.interval[0] > rule.threshold


def _transition(
    rule: ShareRule, reading: Reading, *, state: Literal["firing", "resolved"], now: datetime
) -> Transition:
    hours = rule.window.total_seconds() / 3600
    if reading.n == 0:
        message = f"{reading.group}: no scored calls in the last {hours:g} h any more"
    else:
        low, high = reading.interval
        message = (
            f"{reading.group}: {reading.share:.1%} of {reading.n} calls failed in the last {hours:g} h "
            f"(95 % interval {low:.1%}–{high:.1%}, threshold {rule.threshold:.0%})"
        )
        if reading.offset != NO_SHIFT:
            message += f", without the {reading.offset.value:+.1%} that a change of rules makes"
    identity = f"{rule.name}|{reading.group}|{state}|{now.isoformat()}"
    return Transition(
        event_id=uuid5(NAMESPACE, identity),
        rule=rule.name,
        group=reading.group,
        transition=state,
        severity=rule.severity,
        value=reading.share,
        threshold=rule.threshold,
        n=reading.n,
        message=message,
        happened_at=now,
    )


def write_transition(connection: psycopg.Connection, found: Transition, *, channels: Sequence[str]) -> None:
    """Write the event and a message a channel, in the caller's transaction; the same again is nothing."""
    connection.execute(
        PUT_EVENT,
        (
            found.event_id,
            found.rule,
            found.group,
            found.transition,
            found.severity,
            found.value,
            found.threshold,
            found.n,
            found.message,
            found.happened_at,
        ),
    )
    payload = slack_message(
        event_id=str(found.event_id),
        rule=found.rule,
        group=found.group,
        transition=found.transition,
        severity=found.severity,
        message=found.message,
        happened_at=found.happened_at,
    )
    for channel in channels:
        connection.execute(PUT_MESSAGE, (found.event_id, channel, Jsonb(payload), found.happened_at))
