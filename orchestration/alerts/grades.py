"""A judge's grades of a model that fall: told where people bear the judge out, silent where they do not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal, LiteralString
from uuid import uuid5

import psycopg

from evaluators.statistics.differences import difference
from evaluators.statistics.estimate import Estimate, unknown
from evaluators.versions.shift import mix
from orchestration.alerts.evaluate import (
    CHANNELS,
    IS_BEHIND,
    LOCK,
    LONGEST_REFRESH,
    NAMESPACE,
    PUT_STATE,
    STATES,
    Current,
    Transition,
    write_transition,
)
from orchestration.alerts.rules import GRADE_RULE, GradeRule
from orchestration.calibration.state import calibration_standing, trusted_versions

HAS_MART: LiteralString = "select to_regclass('marts.judge_quality_daily') is not null"
GRADES: LiteralString = """
select
    versions.id, quality.evaluator, quality.evaluator_version, quality.model, quality.day,
    quality.n_scored, quality.n_clusters, quality.mean_score, quality.mean_score_low, quality.mean_score_high
from marts.judge_quality_daily as quality
inner join evaluation.evaluator_versions as versions
    on versions.evaluator = quality.evaluator and versions.version = quality.evaluator_version
where quality.day >= %s and quality.day <= %s and quality.mean_score is not null
"""
# Grades go from 1 to 5.
WIDEST = 4.0


@dataclass(frozen=True, slots=True)
class DayGrade:
    """The mean grade of a day's calls of one project, and how many stand behind it."""

    day: date
    n_scored: int
    n_clusters: int
    mean: float
    low: float | None
    high: float | None

    @property
    def estimate(self) -> Estimate:
        """Where all said the same there is no interval: one more content at the other end of the scale
        would move the mean by as much as is taken for it here."""
        doubt = WIDEST / (self.n_clusters + 1)
        low = self.mean - doubt if self.low is None else self.low
        high = self.mean + doubt if self.high is None else self.high
        return Estimate(self.mean, low, high, self.n_clusters)


@dataclass(slots=True)
class Line:
    """A model's grades by one version of a judge."""

    version_id: int
    judge: str
    model: str
    days: list[DayGrade] = field(default_factory=list[DayGrade])


@dataclass(frozen=True, slots=True)
class Fall:
    """Recent grades against those before: means with their n, and the change with its 95 % interval."""

    recent: Estimate
    before: Estimate
    change: Estimate

    @property
    def drop(self) -> float:
        """Grades lost; NaN where either side has none."""
        return -self.change.value

    @property
    def told(self) -> float | None:
        """The change as it is stored."""
        return self.change.value if self.change.is_known else None


@dataclass(frozen=True, slots=True)
class GradeAlerts:
    """Transitions, and what was not told (a line each), because the judge may not alert."""

    transitions: list[Transition]
    silenced: list[str]


def evaluate_grades(
    connection: psycopg.Connection,
    *,
    now: datetime,
    rule: GradeRule = GRADE_RULE,
    channels: Sequence[str] = CHANNELS,
) -> GradeAlerts:
    """Compare every judge's newest grades with those before, as of `now` (aware); write states and messages.

    Only versions that the calibration gate trusts may fire. What fires when its judge loses that trust is
    resolved with the reason. A moment at or before the last evaluation changes nothing.
    """
    with connection.transaction():
        connection.execute(LOCK)
        found = GradeAlerts([], [])
        if (connection.execute(HAS_MART).fetchone() or (False,))[0]:
            _evaluate(connection, rule, now=now, found=found)
        for transition in found.transitions:
            write_transition(connection, transition, channels=channels)
    return found


def _evaluate(connection: psycopg.Connection, rule: GradeRule, *, now: datetime, found: GradeAlerts) -> None:
    rows = connection.execute(STATES, (rule.name,)).fetchall()
    states = {group: Current(state, since, at) for group, state, since, at in rows}
    lines = _lines(connection, rule, now=now, states=states)
    trusted = trusted_versions(connection)
    is_behind = _is_behind(connection, rule, now=now)
    for group in sorted(states.keys() | lines.keys()):
        line, current = lines.get(group), states.get(group)
        if current is not None and now <= current.evaluated_at:
            continue
        since = current.since if current is not None and current.state == "firing" else None
        fall = compare(line.days if line else (), rule=rule, now=now, since=since)
        doubt = _distrust(connection, line) if line and line.version_id not in trusted else None
        if doubt and since is None:
            found.silenced.extend(
                [f"{group}: {fall.change.value:+.2f}, {doubt}"] if is_breach(rule, fall) else []
            )
            continue
        if fall.recent.n == 0 and not doubt and (is_behind or since is None):
            continue
        state = "resolved" if doubt else next_state(rule, fall, is_firing=since is not None)
        if _keep(connection, rule, group, fall, state=state, current=current, now=now):
            message = f"{group}: no alert any more, {doubt}" if doubt else _told(group, rule, fall)
            found.transitions.append(_transition(rule, group, fall, state=state, message=message, now=now))


def _keep(
    connection: psycopg.Connection,
    rule: GradeRule,
    group: str,
    fall: Fall,
    *,
    state: Literal["firing", "resolved"],
    current: Current | None,
    now: datetime,
) -> bool:
    """Write the state; whether it is another than before (that nothing ever was wrong is no state)."""
    if current is None and state == "resolved":
        return False
    is_change = current is None or current.state != state
    since = now if current is None or is_change else current.since
    connection.execute(PUT_STATE, (rule.name, group, state, since, fall.told, fall.recent.n, now))
    return is_change


def compare(days: Iterable[DayGrade], *, rule: GradeRule, now: datetime, since: datetime | None) -> Fall:
    """The newest days against those before them, or before the alert that fires `since` then."""
    today = now.astimezone(UTC).date()
    is_fresh = since is None or now - since > rule.longest
    begun = today if is_fresh or since is None else since.astimezone(UTC).date()
    last_before = begun - timedelta(days=rule.recent_days)
    first_before = last_before - timedelta(days=rule.baseline_days)
    held = list(days)
    recent = _mean([one for one in held if today - timedelta(days=rule.recent_days) < one.day <= today])
    before = _mean([one for one in held if first_before < one.day <= last_before])
    is_known = recent.is_known and before.is_known
    return Fall(recent, before, difference(recent, before) if is_known else unknown())


def is_breach(rule: GradeRule, fall: Fall) -> bool:
    """Whether the fall is beyond doubt and worth a word."""
    return (
        fall.recent.n >= rule.minimum_n
        and fall.before.n >= rule.minimum_baseline_n
        and fall.change.high < 0
        and fall.drop >= rule.least_drop
    )


def next_state(rule: GradeRule, fall: Fall, *, is_firing: bool) -> Literal["firing", "resolved"]:
    """The state after this comparison; what fires goes on while too little is known to end it."""
    if not is_firing:
        return "firing" if is_breach(rule, fall) else "resolved"
    is_over = fall.recent.n == 0 or not fall.change.is_known or fall.drop <= rule.resolve_at
    return "resolved" if is_over and not 0 < fall.recent.n < rule.minimum_n else "firing"


def _lines(
    connection: psycopg.Connection, rule: GradeRule, *, now: datetime, states: Mapping[str, Current]
) -> dict[str, Line]:
    """Each judge's version and model with the days that any comparison needs."""
    firing = [one.since for one in states.values() if one.state == "firing"]
    oldest = min([now, *(since for since in firing if now - since <= rule.longest)]).astimezone(UTC).date()
    first = oldest - timedelta(days=rule.recent_days + rule.baseline_days)
    lines: dict[str, Line] = {}
    for row in connection.execute(GRADES, (first, now.astimezone(UTC).date())):
        version_id, evaluator, version, model, *figures = row
        judge = f"{evaluator} {version}"
        line = lines.setdefault(f"{judge} · {model}", Line(version_id, judge, model))
        line.days.append(DayGrade(*figures))
    return lines


def _mean(days: Sequence[DayGrade]) -> Estimate:
    """All days as one, each by the contents it has; `n` is the scored calls."""
    if not days:
        return unknown()
    found = mix([(one.n_clusters, one.estimate) for one in days])
    return Estimate(found.value, found.low, found.high, sum(one.n_scored for one in days))


def _is_behind(connection: psycopg.Connection, rule: GradeRule, *, now: datetime) -> bool:
    start = now - timedelta(days=rule.recent_days)
    return connection.execute(IS_BEHIND, (start, now, now - LONGEST_REFRESH)).fetchone() == (True,)


def _distrust(connection: psycopg.Connection, line: Line) -> str:
    standing = calibration_standing(connection, line.version_id)
    return f"the judge is {standing.state} ({'; '.join(standing.reasons) or 'no reason on record'})"


def _told(group: str, rule: GradeRule, fall: Fall) -> str:
    if not fall.change.is_known:
        return f"{group}: no grades of the last {rule.recent_days} days to compare any more"
    return (
        f"{group}: mean grade {fall.recent.value:.2f} of {fall.recent.n:,} calls in the last"
        f" {rule.recent_days} days, {fall.change.value:+.2f} against the {fall.before.value:.2f} of"
        f" {fall.before.n:,} before (95 % interval {fall.change.low:+.2f} to {fall.change.high:+.2f})"
    )


def _transition(
    rule: GradeRule,
    group: str,
    fall: Fall,
    *,
    state: Literal["firing", "resolved"],
    message: str,
    now: datetime,
) -> Transition:
    return Transition(
        event_id=uuid5(NAMESPACE, f"{rule.name}|{group}|{state}|{now.isoformat()}"),
        rule=rule.name,
        group=group,
        transition=state,
        severity=rule.severity,
        value=fall.told,
        threshold=-rule.least_drop,
        n=fall.recent.n,
        message=message,
        happened_at=now,
    )
