"""What the demo found, read back from the marts: as one value, as JSON, and as a page for a person."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.rows import class_row

Row = TypeVar("Row", bound=msgspec.Struct)


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """Calls by how they came in; `n_marts` of them are in `marts.calls`, those of judges are not."""

    n_imported: int
    n_through_proxy: int
    n_of_judges: int
    n_marts: int
    n_dead_letters: int
    first: datetime | None
    last: datetime | None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One rule over all days; `coverage` is scored of eligible."""

    evaluator: str
    n_eligible: int
    n_scored: int
    n_failed: int
    n_unscored: int
    n_pending: int
    fail_rate: Decimal | None
    coverage: Decimal | None


class ModelLine(msgspec.Struct, frozen=True, kw_only=True):
    """One model over all days; `fail_rate` with its 95 % Wilson interval, money of the priced calls only."""

    model: str
    n_calls: int
    n_error: int
    n_scored: int
    n_failed: int
    fail_rate: Decimal | None
    fail_rate_low: float | None
    fail_rate_high: float | None
    p50_ms: float | None
    p95_ms: float | None
    n_unpriced: int
    amount_usd: Decimal | None


class SlowCall(msgspec.Struct, frozen=True, kw_only=True):
    """One of the slowest calls."""

    started_at: datetime
    call_id: str
    model: str
    prompt_name: str | None
    latency_ms: float
    status: str


class DayLine(msgspec.Struct, frozen=True, kw_only=True):
    """One day of the model that got worse."""

    day: date
    n_scored: int
    n_failed: int
    fail_rate: Decimal | None
    verdict: str


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """One transition of an alert."""

    happened_at: datetime
    rule: str
    group_key: str
    transition: str
    message: str
    sent: bool


class JudgeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a judge's grades: the weighted mean with its 95 % interval, of how many of the day's calls."""

    day: date
    model: str
    evaluator: str
    n_eligible: int
    n_scored: int
    coverage: float | None
    mean_score: float | None
    mean_score_low: float | None
    mean_score_high: float | None
    calibration_state: str


class PatternLine(msgspec.Struct, frozen=True, kw_only=True):
    """The prompt pattern that failed most on a day; `rest_fail_rate` is that of all other prompts."""

    day: date
    template: str | None
    origin: str
    n_calls: int
    n_scored: int
    n_failed: int
    fail_rate: float | None
    fail_rate_low: float | None
    fail_rate_high: float | None
    rest_fail_rate: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's result; `seconds` is wall time by step."""

    landed: Landed
    checks: list[Check]
    models: list[ModelLine]
    slowest: list[SlowCall]
    regressed_model: str
    regression: list[DayLine]
    judged: list[JudgeLine]
    pattern: PatternLine | None
    alerts: list[AlertLine]
    unpriced: dict[str, int]
    drift_report: str | None
    home: str
    seconds: dict[str, float]


def read_summary(
    connection: psycopg.Connection,
    *,
    regressed_model: str,
    drift_report: str | None,
    home: str,
    seconds: dict[str, float],
) -> Summary:
    """Read the marts; every figure here is one anybody can query."""
    landed = _rows(connection, Landed, _LANDED)[0]
    unpriced = connection.execute(_UNPRICED).fetchall()
    regression = _rows(connection, DayLine, _REGRESSION, {"model": regressed_model})
    worst = max(regression, key=lambda line: line.fail_rate or 0, default=None)
    patterns = _rows(connection, PatternLine, _PATTERN, {"day": worst.day}) if worst else []
    return Summary(
        landed=landed,
        checks=_rows(connection, Check, _CHECKS),
        models=[_with_interval(line) for line in _rows(connection, ModelLine, _MODELS)],
        slowest=_rows(connection, SlowCall, _SLOWEST),
        regressed_model=regressed_model,
        regression=regression,
        judged=_rows(connection, JudgeLine, _JUDGED, {"model": regressed_model}),
        pattern=patterns[0] if patterns else None,
        alerts=_rows(connection, AlertLine, _ALERTS),
        unpriced={str(reason): int(n) for reason, n in unpriced},
        drift_report=drift_report,
        home=home,
        seconds={name: round(value, 1) for name, value in seconds.items()},
    )


def summary_json(summary: Summary) -> bytes:
    """The summary as indented JSON; money and rates are strings, exact."""
    return msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"


def _rows(
    connection: psycopg.Connection, kind: type[Row], query: str, values: dict[str, Any] | None = None
) -> list[Row]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), values).fetchall()


def _with_interval(line: ModelLine) -> ModelLine:
    from evaluators.statistics.wilson import wilson_interval

    if not line.n_scored:
        return line
    low, high = wilson_interval(line.n_failed, line.n_scored)
    return msgspec.structs.replace(line, fail_rate_low=round(low, 4), fail_rate_high=round(high, 4))


_LANDED = """
select
    (select count(*) from raw.llm_calls where source = 'import' and purpose <> 'judge') as n_imported,
    (select count(*) from raw.llm_calls where source = 'proxy') as n_through_proxy,
    (select count(*) from raw.llm_calls where purpose = 'judge') as n_of_judges,
    (select count(*) from marts.calls) as n_marts,
    (select count(*) from raw.dead_letters) as n_dead_letters,
    (select min(started_at) from raw.llm_calls) as first,
    (select max(started_at) from raw.llm_calls) as last
"""

_CHECKS = """
select
    evaluator,
    sum(n_eligible)::bigint as n_eligible,
    sum(n_scored)::bigint as n_scored,
    sum(n_failed)::bigint as n_failed,
    sum(n_unscored)::bigint as n_unscored,
    sum(n_pending)::bigint as n_pending,
    round(sum(n_failed) / nullif(sum(n_scored), 0), 4) as fail_rate,
    round(sum(n_scored) / nullif(sum(n_eligible), 0), 4) as coverage
from marts.evaluation_coverage
where kind = 'rule'
group by evaluator
order by n_failed desc, evaluator
"""

_MODELS = """
with latencies as (
    select
        model,
        percentile_cont(0.5) within group (order by latency_ms) as p50_ms,
        percentile_cont(0.95) within group (order by latency_ms) as p95_ms
    from marts.calls
    where status = 'ok'
    group by model
),

models as (
    select
        model,
        sum(n_calls)::bigint as n_calls,
        sum(n_error)::bigint as n_error,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed,
        sum(n_unpriced)::bigint as n_unpriced,
        sum(amount_usd) as amount_usd
    from marts.calls_hourly
    group by model
)

select
    models.*,
    round(n_failed::numeric / nullif(n_scored, 0), 4) as fail_rate,
    null::float8 as fail_rate_low,
    null::float8 as fail_rate_high,
    p50_ms,
    p95_ms
from models
left join latencies using (model)
order by n_calls desc
"""

_SLOWEST = """
select started_at, call_id::text as call_id, model, prompt_name, latency_ms, status
from marts.calls
where latency_ms is not null
order by latency_ms desc
limit 5
"""

_REGRESSION = """
select day, n_scored, n_failed, round(fail_rate::numeric, 4) as fail_rate, verdict
from marts.model_comparison
where model = %(model)s
order by day desc
limit 9
"""

_JUDGED = """
select
    quality.day,
    quality.model,
    quality.evaluator,
    quality.n_eligible,
    quality.n_scored,
    quality.coverage,
    quality.mean_score,
    quality.mean_score_low,
    quality.mean_score_high,
    coalesce(calibrations.calibration_state, 'uncalibrated') as calibration_state
from marts.judge_quality_daily as quality
left join marts.evaluator_calibrations as calibrations
    on calibrations.evaluator = quality.evaluator
    and calibrations.evaluator_version = quality.evaluator_version
    and calibrations.stratum = 'overall'
where quality.model = %(model)s
    and quality.evaluator_version in (
        select versions.version
        from evaluation.judges
        inner join evaluation.evaluator_versions as versions on versions.id = judges.evaluator_version_id
        where judges.judge = 'demo-judge' and versions.evaluator = quality.evaluator
    )
order by quality.day desc
limit 9
"""

_PATTERN = """
select
    day, template, origin, n_calls, n_scored, n_failed, fail_rate, fail_rate_low, fail_rate_high,
    rest_fail_rate
from marts.prompt_patterns
where day = %(day)s and position = 1
"""

_ALERTS = """
select
    happened_at,
    rule,
    group_key,
    transition,
    message,
    exists (
        select from alerting.outbox
        where outbox.event_id = events.event_id and sent_at is not null
    ) as sent
from alerting.events
order by happened_at desc
limit 8
"""

_UNPRICED = """
select unpriced_reason, count(*)
from marts.calls
where unpriced_reason is not null
group by unpriced_reason
order by count(*) desc
"""
