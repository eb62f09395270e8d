"""From marts to the figures of a week, all of one moment."""

from collections.abc import Iterable
from datetime import UTC, datetime
from math import nan
from typing import Any, LiteralString

import psycopg

from evaluators.statistics.estimate import Estimate
from reports.weekly import queries
from reports.weekly.figures import (
    NOT_ENOUGH,
    Boundary,
    Calibration,
    Comparison,
    Cost,
    CostDay,
    Difference,
    DriftFinding,
    EvaluatorWeek,
    FailingDay,
    Figures,
    Freshness,
    Incident,
    JudgeCost,
    JudgeDay,
    Latency,
    LatencyDay,
    ModelWeek,
    PromptWeek,
    Share,
    Traffic,
    TrafficDay,
)
from reports.weekly.week import Week

# More models, prompts and incidents than these are counted, not listed: a report is read by people.
MOST_MODELS = 12
MOST_COLOURS = 6
MOST_PROMPTS = 12
MOST_INCIDENTS = 40

SNAPSHOT = "set transaction isolation level repeatable read, read only"
NO_LATENCY = Latency(0, None, None)

Row = tuple[Any, ...]


def read_figures(connection: psycopg.Connection, week: Week, *, now: datetime | None = None) -> Figures:
    """Read the week, the week before it and the days that charts show, in one snapshot of the marts.

    Raises psycopg.errors.UndefinedTable where no mart has been built. The connection must not be in a
    transaction, which would have its own snapshot already.
    """
    given = _parameters(week)
    with connection.transaction():
        connection.execute(SNAPSHOT)
        connection.execute("set local timezone to 'UTC'")
        return _read(_Reader(connection, given), week, now=now or datetime.now(UTC))


class _Reader:
    """Runs a query of the report with the report's parameters."""

    def __init__(self, connection: psycopg.Connection, given: dict[str, object]) -> None:
        self._connection = connection
        self._given = given

    def rows(self, query: LiteralString, **more: object) -> list[Row]:
        return self._connection.execute(query, {**self._given, **more}).fetchall()


def _parameters(week: Week) -> dict[str, object]:
    chart = Week(week.chart_start)
    return {
        "chart": week.chart_start,
        "before": week.before.first_day,
        "first": week.first_day,
        "end": week.end_day,
        "chart_at": chart.start,
        "before_at": week.before.start,
        "first_at": week.start,
        "end_at": week.end,
    }


def _read(reader: _Reader, week: Week, *, now: datetime) -> Figures:
    traffic_days = [
        TrafficDay(day, Traffic(n_calls, n_error, n_cut))
        for day, n_calls, n_error, n_cut in reader.rows(queries.TRAFFIC)
    ]
    failing_days = [
        FailingDay(day, Share(n_failed, n_scored, (str(version),)))
        for day, version, n_failed, n_scored in reader.rows(queries.FAILING)
    ]
    latencies = dict(_latencies(reader.rows(queries.LATENCY_WEEKS)))
    costs = {is_week: Cost(*rest) for is_week, *rest in reader.rows(queries.COST)}
    models = tuple(_models(reader))
    incidents = reader.rows(queries.INCIDENTS, most=MOST_INCIDENTS)
    return Figures(
        week=week,
        made_at=now,
        freshness=Freshness(*reader.rows(queries.FRESHNESS)[0]),
        traffic=_traffic(traffic_days, week),
        traffic_before=_traffic(traffic_days, week.before),
        traffic_days=tuple(traffic_days),
        failing=_failing(failing_days, week),
        failing_before=_failing(failing_days, week.before),
        failing_days=tuple(failing_days),
        latency=latencies.get(week.first_day, NO_LATENCY),
        latency_before=latencies.get(week.before.first_day, NO_LATENCY),
        latency_days=tuple(
            LatencyDay(day, found) for day, found in _latencies(reader.rows(queries.LATENCY_DAYS))
        ),
        cost=costs.get(True, Cost()),
        cost_before=costs.get(False, Cost()),
        cost_days=tuple(
            CostDay(day, model or "all others", amount, n_priced)
            for day, model, amount, n_priced, _ in reader.rows(queries.COST_DAYS, most_colours=MOST_COLOURS)
        ),
        judge_costs=tuple(
            JudgeCost(judge, evaluator, version, Cost(n_priced, n_unpriced, amount))
            for judge, evaluator, version, n_priced, n_unpriced, amount in reader.rows(queries.JUDGE_COST)
        ),
        models=models,
        comparisons=tuple(_comparisons(reader, [one.model for one in models])),
        evaluators=tuple(_evaluators(reader)),
        calibrations=tuple(
            Calibration(evaluator, version, state, _estimate(kappa, low, high, n or 0))
            for evaluator, version, state, kappa, low, high, n in reader.rows(queries.CALIBRATIONS)
        ),
        judge_days=tuple(
            JudgeDay(day, evaluator, version, _estimate(mean, low, high, n), Share(n, n_eligible), kind)
            for day, evaluator, version, mean, low, high, n, n_eligible, kind in reader.rows(
                queries.JUDGE_DAYS
            )
        ),
        prompts=tuple(
            PromptWeek(project, name, version, n_calls, _share(n_failed, n_scored, rule_sets), amount)
            for project, name, version, n_calls, n_failed, n_scored, rule_sets, amount in reader.rows(
                queries.PROMPTS, most=MOST_PROMPTS
            )
        ),
        boundaries=tuple(
            Boundary(at, evaluator, before, after, _estimate(shift, low, high, n_shared))
            for at, evaluator, before, after, shift, low, high, n_shared in reader.rows(queries.BOUNDARIES)
        ),
        incidents=tuple(Incident(*row[:-2]) for row in incidents),
        n_incidents=incidents[0][-2] if incidents else 0,
        n_incidents_open=incidents[0][-1] if incidents else 0,
        drift=tuple(DriftFinding(*row) for row in reader.rows(queries.DRIFT)),
    )


def _traffic(days: Iterable[TrafficDay], week: Week) -> Traffic:
    inside = [found.traffic for found in days if week.first_day <= found.day < week.end_day]
    return Traffic(
        sum(one.n_calls for one in inside),
        sum(one.n_error for one in inside),
        sum(one.n_cut for one in inside),
    )


def _failing(days: Iterable[FailingDay], week: Week) -> Share:
    inside = [found.share for found in days if week.first_day <= found.day < week.end_day]
    versions = sorted({version for share in inside for version in share.versions})
    return Share(sum(share.n_hits for share in inside), sum(share.n for share in inside), tuple(versions))


def _latencies(rows: Iterable[Row]) -> Iterable[tuple[Any, Latency]]:
    return [(key, Latency(n_calls, p50, p95)) for key, n_calls, p50, p95 in rows]


def _models(reader: _Reader) -> Iterable[ModelWeek]:
    rows = reader.rows(queries.MODELS, most=MOST_MODELS)
    names = [row[0] for row in rows]
    days: dict[str, list[FailingDay]] = {name: [] for name in names}
    for name, day, n_failed, n_scored, versions in reader.rows(queries.FAILING_OF_MODELS, models=names):
        days[name].append(FailingDay(day, _share(n_failed, n_scored, versions)))
    latencies = dict(_latencies(reader.rows(queries.LATENCY_OF_MODELS, models=names)))
    for row in rows:
        name, n_calls, n_error, n_cut, n_priced, n_unpriced, amount, failed_usd, price_version = row[:9]
        yield ModelWeek(
            model=name,
            traffic=Traffic(n_calls, n_error, n_cut),
            failing=_share(*row[9:12]),
            failing_before=_share(*row[12:15]),
            failing_days=tuple(days[name]),
            latency=latencies.get(name, NO_LATENCY),
            cost=Cost(n_priced, n_unpriced, amount, failed_usd, price_version),
        )


def _share(n_hits: int | None, n: int | None, versions: Iterable[object] | None) -> Share:
    """A model without a scored call has no row in the mart of failures."""
    return Share(n_hits or 0, n or 0, tuple(str(version) for version in versions or ()))


def _comparisons(reader: _Reader, models: list[str]) -> Iterable[Comparison]:
    for row in reader.rows(queries.COMPARISONS, models=models):
        evaluator, version, measure, model = row[:4]
        verdict, standardised_verdict, matched_verdict = row[21:24]
        yield Comparison(
            evaluator=evaluator,
            version=str(version),
            measure=measure,
            model=model,
            kind=row[24],
            estimate=_estimate(*row[4:8]),
            mix_coverage=row[16],
            as_it_came=Difference("traffic as it came", _estimate(*row[8:12]), verdict or NOT_ENOUGH),
            equal_traffic=Difference(
                "equal traffic", _estimate(*row[12:16]), standardised_verdict or NOT_ENOUGH
            ),
            equal_prompts=Difference("equal prompts", _estimate(*row[17:21]), matched_verdict or NOT_ENOUGH),
        )


def _evaluators(reader: _Reader) -> Iterable[EvaluatorWeek]:
    for row in reader.rows(queries.EVALUATORS):
        *head, n_failed_before, n_scored_before, reasons = row
        most_first = sorted(((str(reason), int(n)) for reason, n in reasons.items()), key=lambda one: -one[1])
        yield EvaluatorWeek(*head, before=Share(n_failed_before, n_scored_before), reasons=tuple(most_first))


def _estimate(value: float | None, low: float | None, high: float | None, n: float | None) -> Estimate:
    """A mart's nulls are NaN here; an effective n is rounded down."""
    value, low, high = (nan if part is None else float(part) for part in (value, low, high))
    return Estimate(value, low, high, int(n or 0))
