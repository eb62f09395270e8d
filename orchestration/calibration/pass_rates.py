"""`evaluation.pass_rates`: a judge's pass rate of a day, raw and corrected for its error by labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import LiteralString

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.calibration.labelled import PASS, LabelledCall, passes
from evaluators.statistics.estimate import Estimate, unknown
from evaluators.statistics.prediction_powered import Corrected, prediction_powered
from evaluators.statistics.weighted import weighted_rate
from orchestration.calibration.calibrations import known
from orchestration.calibration.labelled_calls import EvaluatorVersion, labelled_calls
from orchestration.transactions import writing
from orchestration.windows import Window, day_window

RELATION = "evaluation.pass_rates"
# The judge's error must be that of today's traffic, and a stratum needs some labels to show it.
LABEL_DAYS = timedelta(days=90)
LEAST_LABELS = 30
STALE_DAYS = timedelta(days=30)

Key = tuple[str, str]

JUDGING: LiteralString = """
select distinct versions.id, versions.evaluator, versions.version, versions.kind
from evaluation.judgements
inner join evaluation.evaluator_versions as versions on versions.id = judgements.evaluator_version_id
where judgements.started_at >= %(start)s and judgements.started_at < %(end)s
order by versions.id
"""

# Verdicts may come long after their day, from a batch, a backfill, an import: then the count is another.
STALE: LiteralString = """
with judged as (
    select
        (judgements.started_at at time zone 'UTC')::date as day,
        judgements.evaluator_version_id,
        count(*) as n
    from evaluation.judgements
    inner join raw.llm_calls as calls
        on calls.started_at = judgements.started_at
        and calls.call_id = judgements.call_id
        and calls.started_at >= %(start)s
        and calls.started_at < %(end)s
    where judgements.started_at >= %(start)s
        and judgements.started_at < %(end)s
        and (judgements.value is not null or judgements.unscored_reason = 'parse_error')
        and calls.purpose in ('product', 'demo')
        and not exists (
            select from evaluation.quarantine
            where quarantine.started_at = judgements.started_at and quarantine.call_id = judgements.call_id
        )
    group by 1, 2
)

select distinct judged.day
from judged
left join evaluation.pass_rates
    on pass_rates.day = judged.day
    and pass_rates.evaluator_version_id = judged.evaluator_version_id
    and pass_rates.stratum = 'overall'
where judged.n is distinct from pass_rates.n + pass_rates.n_parse_errors
order by judged.day
"""

JUDGED: LiteralString = """
select
    judgements.call_id::text,
    judgements.value,
    judgements.unscored_reason = 'parse_error',
    1 / judgements.inclusion_probability,
    coalesce(calls.session_id, encode(coalesce(judgements.content_hash, calls.content_hash), 'hex')),
    calls.requested_model,
    calls.prompt_name
from evaluation.judgements
inner join raw.llm_calls as calls
    on calls.started_at = judgements.started_at
    and calls.call_id = judgements.call_id
    and calls.started_at >= %(start)s
    and calls.started_at < %(end)s
where judgements.started_at >= %(start)s
    and judgements.started_at < %(end)s
    and judgements.evaluator_version_id = %(id)s
    and (judgements.value is not null or judgements.unscored_reason = 'parse_error')
    and calls.purpose in ('product', 'demo')
    and not exists (
        select from evaluation.quarantine
        where quarantine.started_at = judgements.started_at and quarantine.call_id = judgements.call_id
    )
order by judgements.started_at, judgements.call_id
"""

DELETE: LiteralString = "delete from evaluation.pass_rates where day = %s and evaluator_version_id = any (%s)"

INSERT: LiteralString = """
insert into evaluation.pass_rates (
    day, evaluator_version_id, stratum, name, n, n_clusters, n_parse_errors, raw, raw_low, raw_high, n_labels,
    corrected, corrected_low, corrected_high, trust, label_saving, not_corrected
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class JudgedCall:
    """A call of a day as one evaluator version judged it; `weight` is 1 / probability of being judged."""

    call_id: str
    value: float | None
    is_parse_error: bool
    weight: float
    cluster: str
    model: str
    prompt: str


@dataclass(frozen=True, slots=True)
class PassRate:
    """One row: `rates.corrected` is unknown where `not_corrected` says why."""

    stratum: str
    name: str
    n_clusters: int
    n_parse_errors: int
    rates: Corrected
    not_corrected: str | None


def store_pass_rates(connection: Connection[TupleRow], days: Sequence[date]) -> int:
    """Compute the pass rates of every version that has judged calls of these days; returns the rows written.

    Replaces exactly these days. A day's correction uses the labels of its calls and of the 90 days before.
    """
    return sum(_store_day(connection, day) for day in days)


def stale_days(connection: Connection[TupleRow], *, before: datetime) -> list[date]:
    """Days of the 30 before a moment whose verdicts are more, or fewer, than their rates were made of."""
    with connection.transaction():
        rows = connection.execute(STALE, {"start": before - STALE_DAYS, "end": before}).fetchall()
    return [day for (day,) in rows]


def pass_rates(
    judged: Sequence[JudgedCall], labelled: Sequence[LabelledCall], *, is_graded: bool
) -> list[PassRate]:
    """The rates overall, by model and by prompt; a stratum is corrected by its own labels only.

    `labelled` may hold calls of other days: they tell of the judge's error and are not counted in the rate.
    """
    groups: dict[Key, list[JudgedCall]] = {("overall", ""): []}
    for call in judged:
        for key in _keys(call.model, call.prompt):
            groups.setdefault(key, []).append(call)
    labels: dict[Key, list[LabelledCall]] = {}
    for call in labelled:
        if call.grade is not None:
            for key in _keys(call.model, call.prompt):
                labels.setdefault(key, []).append(call)
    return [
        _rate(key, calls, labels.get(key, []), is_graded=is_graded) for key, calls in sorted(groups.items())
    ]


def _store_day(connection: Connection[TupleRow], day: date) -> int:
    window = day_window(day)
    with connection.transaction():
        rows = connection.execute(JUDGING, _bounds(window)).fetchall()
    versions = [EvaluatorVersion(*row) for row in rows]
    values: list[tuple[object, ...]] = []
    for version in versions:
        labelled = labelled_calls(connection, version, start=window.end - LABEL_DAYS, end=window.end)
        rates = pass_rates(_judged(connection, version, window), labelled, is_graded=version.is_graded)
        values += [_row(day, version, rate) for rate in rates]
    with writing(connection, relation=RELATION), connection.cursor() as cursor:
        cursor.execute(DELETE, (day, [version.id for version in versions]))
        cursor.executemany(INSERT, values)
    return len(values)


def _judged(connection: Connection[TupleRow], version: EvaluatorVersion, window: Window) -> list[JudgedCall]:
    with connection.transaction():
        rows = connection.execute(JUDGED, {**_bounds(window), "id": version.id}).fetchall()
    return [
        JudgedCall(
            call_id,
            None if value is None else float(value),
            bool(is_error),
            weight,
            cluster,
            model or "",
            prompt or "",
        )
        for call_id, value, is_error, weight, cluster, model, prompt in rows
    ]


def _rate(
    key: Key, calls: Sequence[JudgedCall], labelled: Sequence[LabelledCall], *, is_graded: bool
) -> PassRate:
    scored = [call for call in calls if call.value is not None]
    n_errors = sum(call.is_parse_error for call in calls)
    n_clusters = len({call.cluster for call in scored})
    if not scored:
        empty = Corrected(unknown(), unknown(), unknown(), 0.0, 0.0, len(labelled))
        return PassRate(*key, n_clusters, n_errors, empty, "no verdicts")
    if len(labelled) < LEAST_LABELS:
        raw = _raw(scored, is_graded=is_graded)
        reason = f"{len(labelled)} labels in {LABEL_DAYS.days} days, needs {LEAST_LABELS}"
        alone = Corrected(raw, unknown(len(labelled)), unknown(raw.n), 0.0, 0.0, len(labelled))
        return PassRate(*key, n_clusters, n_errors, alone, reason)
    rates = _corrected(scored, labelled, is_graded=is_graded)
    is_sure = rates.corrected.has_interval
    return PassRate(*key, n_clusters, n_errors, rates, None if is_sure else "the labels are of one cluster")


def _corrected(
    scored: Sequence[JudgedCall], labelled: Sequence[LabelledCall], *, is_graded: bool
) -> Corrected:
    of_day = {call.call_id: index for index, call in enumerate(scored)}
    labels = np.full(len(scored), np.nan)
    label_weights = np.ones(len(scored))
    for call in labelled:
        if (index := of_day.get(call.call_id)) is not None:
            labels[index], label_weights[index] = _passing(call), call.weight
    others = [call for call in labelled if call.call_id not in of_day]
    predictions = [_passed(call.value, is_graded=is_graded) for call in scored]
    predictions += [_passed(call.grade, is_graded=is_graded) for call in others]
    return prediction_powered(
        predictions,
        np.concatenate([labels, [_passing(call) for call in others]]),
        weights=[*(call.weight for call in scored), *(1.0 for _ in others)],
        label_weights=np.concatenate([label_weights, [call.weight for call in others]]),
        in_population=[*(True for _ in scored), *(False for _ in others)],
        clusters=np.asarray([call.cluster for call in (*scored, *others)], dtype=np.str_),
    )


def _raw(scored: Sequence[JudgedCall], *, is_graded: bool) -> Estimate:
    return weighted_rate(
        [_passed(call.value, is_graded=is_graded) for call in scored],
        weights=[call.weight for call in scored],
        clusters=np.asarray([call.cluster for call in scored], dtype=np.str_),
    )


def _passed(value: float | None, *, is_graded: bool) -> float:
    return float(value is not None and passes(value, is_graded=is_graded) == PASS)


def _passing(call: LabelledCall) -> float:
    """The share of raters who pass it."""
    return sum(rating.category == PASS for rating in call.ratings) / len(call.ratings)


def _keys(model: str, prompt: str) -> list[Key]:
    strata = [("overall", ""), ("model", model), ("prompt", prompt)]
    return [key for key in strata if key[0] == "overall" or key[1]]


def _bounds(window: Window) -> dict[str, object]:
    return {"start": window.start, "end": window.end}


def _row(day: date, version: EvaluatorVersion, rate: PassRate) -> tuple[object, ...]:
    rates, is_corrected = rate.rates, rate.not_corrected is None
    corrected = rates.corrected if is_corrected else unknown()
    return (
        day,
        version.id,
        rate.stratum,
        rate.name,
        rates.raw.n,
        rate.n_clusters,
        rate.n_parse_errors,
        known(rates.raw.value),
        known(rates.raw.low),
        known(rates.raw.high),
        rates.n_labels,
        known(corrected.value),
        known(corrected.low),
        known(corrected.high),
        rates.trust if is_corrected else None,
        rates.label_saving if is_corrected else None,
        rate.not_corrected,
    )
