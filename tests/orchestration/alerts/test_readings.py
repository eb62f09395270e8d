"""What is read of a mart: the right sums, of the right rows, for every window and group."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from orchestration.alerts.definition.model import MartMetric, Rule, SqlMetric
from orchestration.alerts.reading.columns import ceiling
from orchestration.alerts.reading.percentiles import GAMMA, percentile
from orchestration.alerts.reading.read import has_series, read_series, read_windows
from orchestration.alerts.reading.types import Group, ReadingError, Sums
from orchestration.alerts.reading.value import value_of
from tests.orchestration.alerts.conftest import NOON, Marts, shipped

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def over(mart: str, *, by: Sequence[str] = (), **metric: Any) -> Rule:
    return msgspec.structs.replace(
        shipped("http_error_rate"), metric=MartMetric(mart=mart, **metric), group_by=[*by]
    )


def read(
    marts: Marts, rule: Rule, *, start: datetime = NOON - DAY, end: datetime = NOON
) -> dict[Group, Sums]:
    (found,) = read_windows(marts.connection, rule, windows=[(start, end)])
    return found


def values(rule: Rule, found: dict[Group, Sums]) -> dict[str, float | None]:
    return {
        " · ".join(value for _, value in group) or "all": value_of(rule, sums)
        for group, sums in found.items()
    }


ERRORS = over("calls_hourly", kind="share", numerator="n_error", denominator="n_calls", by=["model"])


def test_a_window_has_the_hours_that_begin_in_it_and_each_group_its_own_sums(marts: Marts) -> None:
    for hours, model, n_error in [(25, "a", 50), (24, "a", 1), (1, "a", 2), (1, "b", 4), (0, "b", 50)]:
        marts.hour(NOON - hours * HOUR, model=model, n=100, n_error=n_error)

    found = read(marts, ERRORS)

    assert found == {(("model", "a"),): Sums(3, 200, None, 200), (("model", "b"),): Sums(4, 100, None, 100)}
    assert values(ERRORS, found) == {"a": 0.015, "b": 0.04}


def test_many_windows_are_read_by_one_query_in_their_order(marts: Marts) -> None:
    for hours in range(6):
        marts.hour(NOON - hours * HOUR, n=10, n_error=hours)
    windows = [(NOON - hours * HOUR, NOON - (hours - 1) * HOUR) for hours in (3, 5, 9, 1)]

    found = read_windows(marts.connection, ERRORS, windows=windows)

    assert [values(ERRORS, one) for one in found] == [{"m": 0.3}, {"m": 0.5}, {}, {"m": 0.1}]
    assert read_windows(marts.connection, ERRORS, windows=[]) == []


def test_a_mart_by_the_day_has_the_days_that_begin_in_the_window(marts: Marts) -> None:
    rule = over("cost_daily", kind="sum", numerator="amount_usd", n="n_calls")
    for days in range(4):
        day = (NOON - days * DAY).date()
        marts.put("cost_daily", day=day, provider="p", model="m", project="x", key_id="k", n_calls=1,
                  n_priced=1, n_unpriced=0, amount_usd=10**days)  # fmt: skip

    assert values(rule, read(marts, rule)) == {"all": 1}
    assert values(rule, read(marts, rule, start=NOON - 2 * DAY - 12 * HOUR)) == {"all": 111}
    assert values(rule, read(marts, rule, end=NOON - 12 * HOUR)) == {}


def test_nothing_but_null_is_nothing_measured_and_not_nought(marts: Marts) -> None:
    marts.hour(NOON - HOUR, n=5, amount_usd=None, n_priced=0, n_unpriced=5)
    spend = over("calls_hourly", kind="sum", numerator="amount_usd", n="n_calls")
    judged = over("quality_hourly", kind="share", numerator="n_failed", denominator="n_scored")
    marts.ledger(NOON - HOUR, evaluator="helpfulness", n=9, n_failed=None, kind="judge")

    assert values(spend, read(marts, spend)) == {"all": None}
    assert read(marts, judged) == {(): Sums(0, 0, None, 0)}


def test_groups_without_a_name_are_one_and_any_text_is_a_name(marts: Marts) -> None:
    names = ["사용자 🙂", "'; drop table marts.calls; --", "%(start)s", "a" * 5_000, None]
    for name in names:
        marts.call(NOON - HOUR, user_id=name)
        marts.call(NOON - HOUR, user_id=name)
    rule = over("calls", kind="count", numerator="1", by=["user_id"])

    assert values(rule, read(marts, rule)) == {(name or "(none)"): 2 for name in names}


def test_a_renamed_model_is_another_group(marts: Marts) -> None:
    marts.hour(NOON - 3 * HOUR, model="gpt-4o", n=10)
    marts.hour(NOON - HOUR, model="gpt-4o-2026", n=1, n_error=1)
    windows = [(NOON - 4 * HOUR, NOON - 2 * HOUR), (NOON - 2 * HOUR, NOON)]

    found = read_windows(marts.connection, ERRORS, windows=windows)

    assert [values(ERRORS, one) for one in found] == [{"gpt-4o": 0.0}, {"gpt-4o-2026": 1.0}]
    assert found[1][(("model", "gpt-4o-2026"),)].n == 1


def test_a_mean_has_its_squares_and_where_leaves_rows_out(marts: Marts) -> None:
    rule = over("calls", kind="mean", unit="ms", numerator="latency_ms", denominator="1",
                squares="latency_ms ^ 2", where="status = 'ok' -- not the others")  # fmt: skip
    for latency, status in [(100, "ok"), (300, "ok"), (9_000, "error")]:
        marts.call(NOON - HOUR, latency_ms=latency, status=status)

    found = read(marts, rule)

    assert found == {(): Sums(400, 2, 100_000, 2)}
    assert values(rule, found) == {"all": 200}


def test_last_is_the_newest_row_of_each_group(marts: Marts) -> None:
    rule = over("calls_hourly", kind="last", numerator="n_error", n="n_calls", by=["model"])
    for hours, model, n_error in [(5, "a", 7), (2, "a", 1), (3, "b", 4)]:
        marts.hour(NOON - hours * HOUR, model=model, n=10, n_error=n_error)

    assert values(rule, read(marts, rule)) == {"a": 1, "b": 4}
    total = msgspec.structs.replace(rule, group_by=[])
    assert values(total, read(marts, total)) == {"all": 1}


def test_a_mart_of_the_present_is_the_same_for_every_window(marts: Marts) -> None:
    rule = over("refresh_backlog", kind="last", numerator="n_hours", by=["stage"])
    marts.put("raw.dirty_hours", hour=NOON, stage="calls")
    marts.put("raw.dirty_hours", hour=NOON - HOUR, stage="calls")

    assert values(rule, read(marts, rule)) == {"calls": 2}
    with pytest.raises(ReadingError, match="has no series"):
        read_series(marts.connection, rule, start=NOON - DAY, end=NOON)


def test_a_series_has_every_hour_and_adds_up_to_the_window(marts: Marts) -> None:
    for hours, model, n_error in [(5, "a", 7), (2, "a", 1), (3, "b", 4), (25, "a", 9)]:
        marts.hour(NOON - hours * HOUR, model=model, n=10, n_error=n_error)

    series = read_series(marts.connection, ERRORS, start=NOON - DAY + timedelta(minutes=5), end=NOON)

    assert series.starts == [NOON - hours * HOUR for hours in range(23, 0, -1)]
    a = series.groups[(("model", "a"),)]
    assert [(place, value) for place, value in enumerate(a.numerator) if value] == [(18, 7), (21, 1)]
    assert (a.denominator.sum(), a.n.sum(), a.squares) == (20, 20, None)
    sums = read(marts, ERRORS)[(("model", "a"),)]
    assert (a.numerator.sum(), a.denominator.sum()) == (sums.numerator, sums.denominator)
    assert series.groups[(("model", "b"),)].numerator.sum() == 4


def test_a_series_of_calls_is_by_the_hour_and_one_of_days_by_the_day(marts: Marts) -> None:
    calls = over(
        "calls", kind="sum", numerator="amount_usd", n="case when amount_usd is null then 0 else 1 end"
    )
    for minutes, amount in [(10, 1), (50, 2), (70, None), (130, 8)]:
        marts.call(NOON - timedelta(minutes=minutes), amount_usd=amount)
    days = over("cost_daily", kind="sum", numerator="n_calls")

    series = read_series(marts.connection, calls, start=NOON - 3 * HOUR, end=NOON)

    assert series.groups[()].numerator.tolist() == [8, 0, 3]
    assert series.groups[()].n.tolist() == [1, 0, 2]
    daily = read_series(marts.connection, days, start=NOON - 2 * DAY, end=NOON)
    assert daily.starts == [datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC)]
    assert daily.groups == {}
    assert read_series(marts.connection, days, start=NOON, end=NOON).starts == []


def test_percentiles_add_buckets_up_over_hours_and_projects(marts: Marts) -> None:
    rule = shipped("latency_p95")
    bucket = {ms: math.ceil(math.log(ms) / math.log(GAMMA)) for ms in (100, 1000)}
    for hours, project, counts in [(1, "x", [900, 10]), (2, "y", [50, 40]), (9, "x", [0, 9999])]:
        marts.put("latency_hourly_histogram", hour=NOON - hours * HOUR, model="m", project=project,
                  measure="latency", buckets=[*bucket.values()], counts=counts)  # fmt: skip

    (sums,) = read(marts, rule, start=NOON - 6 * HOUR).values()

    assert sums.n == 1000
    assert sums.value == pytest.approx(100, rel=0.01)
    assert sums.low == pytest.approx(100, rel=0.01)
    # 950 calls are fast: the 95th percentile is the last of them, and may as well be the first slow one.
    assert sums.high == pytest.approx(1000, rel=0.01)
    assert value_of(rule, sums) == sums.value


def test_daily_buckets_give_the_same_percentile_as_the_marts_own_function(marts: Marts) -> None:
    daily = MartMetric(
        mart="latency_daily_histogram", kind="percentile", percentile=0.5, where="measure = 'ttft'"
    )
    rule = msgspec.structs.replace(shipped("latency_p95"), metric=daily, group_by=["model"])
    for bucket, n in [(200, 3), (250, 4), (300, 2)]:
        marts.put("latency_daily_histogram", day=NOON.date(), model="m", project="x", measure="ttft",
                  bucket=bucket, n_calls=n)  # fmt: skip
    own = "select p50_ms from marts.latency_percentiles(%s, %s, 'all', 'ttft') where model = 'm'"

    (sums,) = read(marts, rule, start=NOON - DAY, end=NOON).values()

    (expected,) = marts.connection.execute(own, [NOON.date()] * 2).fetchone() or (None,)
    assert sums.value == pytest.approx(expected)


def test_a_percentile_of_one_call_is_that_call() -> None:
    found = percentile(np.array([300]), np.array([1]), fraction=0.95)

    assert found.n == 1
    assert found.low == found.value == found.high
    assert percentile(np.array([], dtype=np.int64), np.array([], dtype=np.int64), fraction=0.5).n == 0


def test_a_query_gives_value_n_and_its_own_interval(marts: Marts) -> None:
    query = """
        select 'ㅁ' as model, 0.5 as value, 7 as n, 0.4 as low, 0.6 as high
        union all select null, 'nan', 3, 0, 0
    """
    rule = msgspec.structs.replace(ERRORS, metric=SqlMetric(query=query))

    found = read(marts, rule)

    assert found[(("model", "ㅁ"),)] == Sums(0.5, 1, n=7, value=0.5, low=0.4, high=0.6)
    assert values(rule, found) == {"ㅁ": 0.5, "(none)": None}
    assert not has_series(rule)


def test_whole_hours_and_days_are_of_utc() -> None:
    seoul = datetime.fromisoformat("2026-11-10T09:30:00+09:00")

    assert ceiling(seoul, HOUR) == datetime(2026, 11, 10, 1, tzinfo=UTC)
    assert ceiling(seoul, DAY) == datetime(2026, 11, 11, tzinfo=UTC)
    assert ceiling(datetime(2026, 11, 10, tzinfo=UTC), DAY) == datetime(2026, 11, 10, tzinfo=UTC)
