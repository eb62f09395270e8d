"""The failing share of a model: it fires beyond doubt, once, and resolves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.engine.tick import evaluate_alerts
from tests.orchestration.alerts.written_rules import shipped

Connection = psycopg.Connection[TupleRow]

RULE = shipped("failing_share")
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def mart(connection: Connection) -> Connection:
    """`marts.failing_hourly`, which the rule reads; one rule set has judged all."""
    connection.execute(
        "create table marts.failing_hourly ("
        "hour timestamptz, model text, rule_set_version integer, n_scored bigint, n_failed bigint)"
    )
    connection.execute("insert into evaluation.rule_sets (hash) values ('first')")
    connection.commit()
    return connection


def add_hour(connection: Connection, hour: datetime, *, model: str = "m", n: int, failed: int) -> None:
    connection.execute(
        "insert into marts.failing_hourly values (%s, %s, 1, %s, %s)", (hour, model, n, failed)
    )
    connection.commit()


def evaluate(connection: Connection, now: datetime, *, rule: Rule = RULE) -> list[tuple[str, str]]:
    found = evaluate_alerts(connection, now=now, rules=[rule])
    connection.commit()
    return [(one.group, one.transition) for one in found]


def state(connection: Connection) -> list[tuple[Any, ...]]:
    with connection.transaction():
        return connection.execute("select group_key, state from alerting.states order by 1").fetchall()


def test_a_bad_day_fires_once_and_a_good_one_resolves(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=2), n=100, failed=60)
    add_hour(mart, NOON + DAY - timedelta(hours=2), n=100, failed=5)

    assert evaluate(mart, NOON) == [("m", "firing")]
    assert evaluate(mart, NOON + timedelta(minutes=1)) == []
    assert evaluate(mart, NOON + DAY) == [("m", "resolved")]
    assert evaluate(mart, NOON + DAY + timedelta(minutes=1)) == []


def test_an_alert_does_not_resolve_for_want_of_calls_while_refreshes_fail(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=2), n=100, failed=60)
    later = NOON + DAY
    assert evaluate(mart, NOON) == [("m", "firing")]
    mart.execute(
        "insert into raw.dirty_hours (hour, stage, changed_at) values (%s, 'calls', %s)",
        (later - timedelta(hours=2), later - timedelta(hours=1)),
    )

    assert evaluate(mart, later) == []
    mart.execute("delete from raw.dirty_hours")
    assert evaluate(mart, later + timedelta(minutes=1)) == [("m", "resolved")]


def test_a_replay_of_the_same_moments_changes_nothing(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=2), n=100, failed=60)
    moments = [NOON, NOON + DAY]
    first = [evaluate(mart, moment) for moment in moments]
    again = [evaluate(mart, moment) for moment in moments]

    assert first == [[("m", "firing")], [("m", "resolved")]]
    assert again == [[], []]
    with mart.transaction():
        assert mart.execute("select count(*) from alerting.events").fetchone() == (2,)
        assert mart.execute("select count(*) from alerting.outbox").fetchone() == (2,)


@pytest.mark.parametrize(
    ("n", "failed"),
    [
        pytest.param(29, 29, id="too few calls"),
        pytest.param(100, 30, id="above the threshold, but not beyond doubt"),
        pytest.param(1000, 250, id="at the threshold"),
    ],
)
def test_doubt_does_not_fire(n: int, failed: int, mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), n=n, failed=failed)
    assert evaluate(mart, NOON) == []
    assert state(mart) == []


def test_models_are_judged_apart(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), model="bad", n=100, failed=60)
    add_hour(mart, NOON - timedelta(hours=1), model="good", n=1000, failed=10)
    assert evaluate(mart, NOON) == [("bad", "firing")]


def test_a_share_between_the_two_thresholds_keeps_firing(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), n=100, failed=60)
    add_hour(mart, NOON + DAY - timedelta(hours=1), n=100, failed=23)
    assert evaluate(mart, NOON) == [("m", "firing")]
    assert evaluate(mart, NOON + DAY) == []
    assert state(mart) == [("m", "firing")]


def test_too_few_calls_do_not_resolve_but_none_at_all_do(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), n=100, failed=60)
    add_hour(mart, NOON + DAY - timedelta(hours=1), n=3, failed=0)
    assert evaluate(mart, NOON) == [("m", "firing")]
    assert evaluate(mart, NOON + DAY) == []
    assert evaluate(mart, NOON + 2 * DAY) == [("m", "resolved")]


def test_what_is_told_names_the_figure_and_what_it_rests_on(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), model="a<b & c", n=100, failed=60)
    [found] = evaluate_alerts(mart, now=NOON, rules=[RULE])
    assert found.message.startswith("a<b & c: 60.0% of 100 calls failed in the last 24 h (95 % interval")
    assert found.message.endswith("threshold 25%)")


def test_without_a_mart_nothing_happens(connection: Connection) -> None:
    assert evaluate_alerts(connection, now=NOON, rules=[RULE]) == []
    with connection.transaction():
        assert connection.execute("select count(*) from alerting.states").fetchone() == (0,)
