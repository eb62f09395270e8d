"""A backtest says what live evaluations would have said."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Change, Drop, RollingWindow, Rule, Seasonal, Threshold
from orchestration.alerts.engine.backtest.grid import grid_of
from orchestration.alerts.engine.backtest.null import null_series
from orchestration.alerts.engine.backtest.replay import Grid, firings
from orchestration.alerts.engine.backtest.run import backtest, moments_of
from orchestration.alerts.engine.conditions.judge import while_firing
from orchestration.alerts.engine.machine import Memory, policy_of, step
from orchestration.alerts.engine.rule_reading import read_rule
from orchestration.alerts.engine.series import totals_of
from orchestration.alerts.engine.tick import evaluate_alerts
from orchestration.alerts.engine.verdict import OUTCOMES, Outcome, Verdict
from orchestration.alerts.reading.read import read_series
from orchestration.alerts.reading.types import Series, SumsArray
from orchestration.commands.alert_backtest import as_json, summary
from tests.orchestration.alerts.written_rules import COUNT, MEAN, own_rule, rule

Connection = psycopg.Connection[TupleRow]
START = datetime(2026, 10, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
N_DAYS = 40
# Two days on which one model's errors rise to a third.
BAD = (START + 35 * DAY, START + 37 * DAY)


@pytest.fixture
def mart(rolled_back: Connection) -> Connection:
    """40 days of two models' hours; a day and night of traffic; `m0` fails in BAD."""
    generator = np.random.default_rng(11)
    rolled_back.execute(
        "create table marts.calls_hourly (hour timestamptz, model text, n_calls bigint, n_error bigint,"
        " total double precision, squares double precision)"
    )
    rows: list[tuple[Any, ...]] = []
    for number in range(24 * N_DAYS):
        hour = START + number * HOUR
        for model in ("m0", "m1"):
            n = int(generator.poisson(60 + 40 * np.sin(hour.hour / 24 * 2 * np.pi)))
            share = 0.33 if model == "m0" and BAD[0] <= hour < BAD[1] else 0.02
            grades = generator.normal(4.0, 0.5, n)
            rows.append((hour, model, n, int(generator.binomial(n, share)), grades.sum(), (grades**2).sum()))
    copy = "copy marts.calls_hourly from stdin"
    with rolled_back.cursor() as cursor, cursor.copy(copy) as rows_in:
        for row in rows:
            rows_in.write_row(row)
    rolled_back.execute(
        "grant usage on schema marts to lqo_alerts; grant select on marts.calls_hourly to lqo_alerts"
    )
    return rolled_back


RULES = [
    rule(window=RollingWindow(span="6h"), condition=Threshold(above=0.05, resolve=0.03)),
    rule(window=RollingWindow(span="6h"), condition=Drop(baseline="7d", effect=0.05, direction="up")),
    rule(window=RollingWindow(span="1h"), condition=Seasonal(), metric=COUNT),
    rule(condition=Change(against="1d", relative=0.5), metric=COUNT),
    rule(window=RollingWindow(span="1d"), condition=Drop(baseline="7d", effect=0.05), metric=MEAN),
]


@pytest.mark.parametrize(
    "checked", RULES, ids=lambda one: f"{one.condition.__struct_config__.tag}-{one.metric.kind}"
)
def test_a_moment_of_a_backtest_is_the_live_verdict_of_that_moment(mart: Connection, checked: Rule) -> None:
    moments = [BAD[0] + number * 5 * HOUR for number in range(12)]
    series = read_series(mart, checked, start=START, end=moments[-1])
    totals = totals_of(series)
    grid = grid_of(checked, totals, moments=moments)
    for row, moment in enumerate(moments):
        live = read_rule(mart, checked, now=moment, held={})
        assert live is not None
        for column, group in enumerate(totals.groups):
            verdict = live.verdict(group[0][1])
            assert OUTCOMES[int(grid.codes[row, column])] == verdict.outcome, (moment, group)
            if verdict.value is not None:
                assert grid.value[row, column] == pytest.approx(verdict.value)


def test_a_backtest_fires_where_live_ticks_do(mart: Connection) -> None:
    checked = rule(window=RollingWindow(span="6h"), condition=Threshold(above=0.05, resolve=0.03), hold="2h")
    start, end = BAD[0] - DAY, BAD[1] + DAY
    found = backtest(mart, checked, start=start, end=end)
    live = [
        (one.group, one.transition, one.happened_at)
        for moment in moments_of(start, end, step=HOUR)
        for one in evaluate_alerts(mart, rules=[checked], now=moment)
    ]

    [firing] = found.firings
    assert live == [("m0", "firing", firing.fired_at), ("m0", "resolved", firing.resolved_at)]
    assert (found.n_moments, found.n_groups, found.n_short) == (96, 2, 0)
    assert BAD[0] < firing.fired_at < BAD[0] + 6 * HOUR
    assert found.null is not None and found.null.per_week < 0.5
    assert "would have fired 1 time in 4 days, for 1 of 2 groups" in summary(found)
    assert as_json(found)["firings"][0]["group"] == "m0"


def test_a_noisy_rule_is_told_its_false_alarms(mart: Connection) -> None:
    noisy = rule(condition=Threshold(above=0.025, beyond_doubt=False), minimum_n=5)
    found = backtest(mart, noisy, start=START, end=START + 30 * DAY)
    assert found.null is not None
    assert found.null.per_week > 10
    assert found.per_week == pytest.approx(found.null.per_week, rel=0.3)


def test_a_rule_without_data_says_so(mart: Connection) -> None:
    mart.execute("truncate marts.calls_hourly")
    found = backtest(mart, rule(), start=START, end=START + 7 * DAY)
    assert (found.firings, found.n_groups, found.null) == ((), 0, None)
    assert "would have fired 0 times" in summary(found)


def stepped(
    checked: Rule, codes: Sequence[Outcome], values: Sequence[float], baseline: Sequence[float]
) -> list[Any]:
    """The state machine at every single moment."""
    policy, memory, said, held = policy_of(checked), None, [], None
    for index, outcome in enumerate(codes):
        now = START + index * HOUR
        verdict = Verdict(outcome, value=values[index], baseline=baseline[index])
        if memory is not None and memory.state == "firing":
            verdict = while_firing(checked, verdict, baseline=held, since=memory.since, now=now)
        after = step(policy, verdict, memory=memory, now=now)
        memory: Memory | None = after.memory if after else memory
        if after is not None and after.transition is not None:
            held = baseline[index] if after.transition == "firing" else None
            said.append((after.transition, now))
    return said


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hold": "3h"},
        {"keep_firing": "5h"},
        {"hold": "2h", "keep_firing": "3h", "no_data": "keep"},
        {"no_data": "fire"},
        {"condition": Drop(baseline="7d", effect=0.05, resolve=0.02)},
    ],
    ids=["plain", "hold", "keep firing", "all", "no data fires", "drop"],
)
def test_skipping_moments_leaves_out_none_that_matters(changes: dict[str, Any]) -> None:
    checked = own_rule(**changes)
    generator = np.random.default_rng(5)
    for _ in range(60):
        lengths = generator.integers(1, 9, size=40)
        runs = generator.choice(len(OUTCOMES), size=40, p=[0.15, 0.15, 0.35, 0.15, 0.2])
        codes = np.repeat(runs, lengths).astype(np.int8)
        values, baseline = generator.uniform(0.8, 1.0, (2, len(codes)))
        column = {name: np.full((len(codes), 1), np.nan) for name in ("threshold", "q")}
        grid = Grid(
            codes[:, None], values[:, None], n=np.zeros((len(codes), 1)), baseline=baseline[:, None], **column
        )
        moments = [START + index * HOUR for index in range(len(codes))]
        found = firings(checked, grid, moments=moments, names=["m"])
        said = [
            (name, at)
            for one in found
            for name, at in (("firing", one.fired_at), ("resolved", one.resolved_at))
            if at is not None
        ]
        expected = stepped(checked, [OUTCOMES[code] for code in codes], values.tolist(), baseline.tolist())
        assert said == expected


def test_the_null_keeps_the_traffic_and_the_mean_and_loses_the_change() -> None:
    n_steps = 24 * 7 * 6
    n = np.full(n_steps, 50.0)
    hits = np.where(np.arange(n_steps) < n_steps // 2, 0.0, 20.0)
    starts = [START + number * HOUR for number in range(n_steps)]
    totals = totals_of(Series(starts, {(("model", "m"),): SumsArray(hits, n, None, n.astype(np.int64))}))
    drawn = null_series("share", totals, seed=np.random.default_rng(1))
    assert drawn is not None
    series = np.diff(drawn[1].numerator[:, 0])
    halves = series[: n_steps // 2].mean(), series[n_steps // 2 :].mean()
    assert halves == pytest.approx((10.0, 10.0), abs=0.5)
    assert drawn[1].denominator is totals.denominator

    shuffled = null_series("sum", totals, seed=np.random.default_rng(1))
    assert shuffled is not None
    moved = np.diff(shuffled[1].numerator[:, 0])
    assert moved.sum() == hits.sum()
    assert {float(day.sum()) for day in moved.reshape(-1, 24)} == {0.0, 480.0}
    assert moved[: n_steps // 2].sum() > 0


def test_a_span_of_two_weeks_is_too_short_to_trade_days() -> None:
    n = np.ones(24 * 14)
    starts = [START + number * HOUR for number in range(len(n))]
    totals = totals_of(Series(starts, {(): SumsArray(n, n, None, n.astype(np.int64))}))
    assert null_series("count", totals, seed=np.random.default_rng(1)) is None
