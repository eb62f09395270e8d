"""A judge's grades of a model that fall: told where people bear the judge out, silent where they do not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.engine.built_in.grade_days import (
    LIMITS,
    DayGrade,
    Fall,
    GradeLimits,
    compare,
    is_breach,
    is_over,
)
from orchestration.alerts.engine.built_in.readings import BuiltInReading
from orchestration.alerts.engine.groups import group_key
from orchestration.alerts.engine.store import Held
from orchestration.alerts.engine.verdict import Verdict
from orchestration.alerts.reading.types import Group
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


@dataclass(slots=True)
class Line:
    """A model's grades by one version of a judge."""

    version_id: int
    days: list[DayGrade] = field(default_factory=list[DayGrade])


def judge_grades(
    connection: psycopg.Connection[TupleRow], rule: Rule, *, now: datetime, held: Mapping[str, Held]
) -> BuiltInReading | None:
    """Every judge's newest grades of every model against those before.

    Only versions that the calibration gate trusts may fire: what others would have said is in `silenced`.
    What fires when its judge loses that trust ends with the reason.
    """
    with connection.transaction():
        if connection.execute(HAS_MART).fetchone() != (True,):
            return None
        firing = {key: one.memory.since for key, one in held.items() if one.memory.state == "firing"}
        lines = _lines(connection, now=now, since=firing.values())
        trusted = trusted_versions(connection)
        verdicts: dict[Group, Verdict] = {}
        silenced: list[str] = []
        for group, line in lines.items():
            key = group_key(group, is_bare=True)
            fall = compare(line.days, limits=LIMITS, now=now, since=firing.get(key))
            if line.version_id in trusted:
                verdicts[group] = _verdict(fall, is_firing=key in firing)
                continue
            doubt = _distrust(connection, line)
            if key in firing:
                verdicts[group] = Verdict("clear", n=fall.recent.n, reason=f"no alert any more, {doubt}")
            elif is_breach(LIMITS, fall):
                silenced.append(f"{key}: {fall.change.value:+.2f}, {doubt}")
    return BuiltInReading(verdicts, (now - timedelta(days=LIMITS.recent_days), now), silenced)


def _verdict(fall: Fall, *, is_firing: bool) -> Verdict:
    if fall.recent.n == 0:
        return Verdict("absent", reason=_none_left(LIMITS))
    if is_firing:
        outcome = "clear" if is_over(LIMITS, fall) else "holding"
    else:
        outcome = "breach" if is_breach(LIMITS, fall) else "clear"
    if not fall.change.is_known:
        return Verdict(outcome, n=fall.recent.n, reason=_none_left(LIMITS))
    return Verdict(
        outcome,
        value=fall.change.value,
        threshold=-LIMITS.least_drop,
        baseline=fall.before.value,
        low=fall.change.low,
        high=fall.change.high,
        n=fall.recent.n,
        told=_told(LIMITS, fall),
    )


def _lines(
    connection: psycopg.Connection[TupleRow], *, now: datetime, since: Iterable[datetime]
) -> dict[Group, Line]:
    """Each judge's version and model with the days that any comparison needs."""
    oldest = min([now, *(one for one in since if now - one <= LIMITS.longest)]).astimezone(UTC).date()
    first = oldest - timedelta(days=LIMITS.recent_days + LIMITS.baseline_days)
    lines: dict[Group, Line] = {}
    for row in connection.execute(GRADES, (first, now.astimezone(UTC).date())):
        version_id, evaluator, version, model, *grades = row
        group = (("judge", f"{evaluator} {version}"), ("model", model))
        lines.setdefault(group, Line(version_id)).days.append(DayGrade(*grades))
    return lines


def _distrust(connection: psycopg.Connection[TupleRow], line: Line) -> str:
    standing = calibration_standing(connection, line.version_id)
    return f"the judge is {standing.state} ({'; '.join(standing.reasons) or 'no reason on record'})"


def _none_left(limits: GradeLimits) -> str:
    return f"no grades of the last {limits.recent_days} days to compare any more"


def _told(limits: GradeLimits, fall: Fall) -> str:
    return (
        f"mean grade {fall.recent.value:.2f} of {fall.recent.n:,} calls in the last"
        f" {limits.recent_days} days, {fall.change.value:+.2f} against the {fall.before.value:.2f} of"
        f" {fall.before.n:,} before (95 % interval {fall.change.low:+.2f} to {fall.change.high:+.2f})"
    )
