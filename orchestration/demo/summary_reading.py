"""What the demo found, read back from the marts."""

from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.rows import class_row

from orchestration.demo.summary import (
    AlertLine,
    Check,
    DayLine,
    InvoiceLine,
    JudgeLine,
    Landed,
    ModelLine,
    Money,
    Mover,
    PatternLine,
    SlowCall,
    Summary,
)

Row = TypeVar("Row", bound=msgspec.Struct)


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
        money=_rows(connection, Money, _MONEY)[0],
        mover=next(iter(_rows(connection, Mover, _MOVER)), None),
        invoice=_invoice(connection),
        drift_report=drift_report,
        home=home,
        seconds={name: round(value, 1) for name, value in seconds.items()},
    )


def _invoice(connection: psycopg.Connection) -> InvoiceLine | None:
    from reports.invoices.figures import CAUSES, read_invoices

    connection.commit()
    figures = read_invoices(connection)
    if not figures.months:
        return None
    sums = {
        name: sum((getattr(each, name) for each in figures.months), Decimal(0)) for name in (*_SUMS, *CAUSES)
    }
    return InvoiceLine(
        verdict=figures.verdict,
        billed_usd=sums["billed_usd"],
        charged_usd=sums["charged_usd"],
        causes={text: sums[name] for name, text in CAUSES.items() if abs(sums[name]) >= Decimal("0.00005")},
        unexplained_usd=sums["unexplained_usd"],
    )


_SUMS = ("billed_usd", "charged_usd", "unexplained_usd")


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

_MONEY = """
select
    coalesce(sum(amount_usd), 0) as amount_usd,
    coalesce(sum(amount_usd) filter (where line in ('failed_attempt', 'failed_call')), 0) as failed_usd,
    coalesce(sum(cache_saved_usd), 0) as cache_saved_usd,
    coalesce(sum(amount_usd) filter (where purpose = 'judge'), 0) as judge_usd
from marts.cost_attempts_daily
"""

_MOVER = """
select name, delta_usd, volume_usd, rate_usd
from marts.cost_movers
where period = 'week' and dimension = 'model' and place = 1
limit 1
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
