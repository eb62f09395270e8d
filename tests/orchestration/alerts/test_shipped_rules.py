"""Each shipped rule over filled marts: silent in good times, firing in bad ones, and resolved after them."""

import shlex
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orchestration.alerts.definition.checks import ENGINE_METRICS
from orchestration.alerts.definition.model import MartMetric, Rule, SqlMetric
from orchestration.alerts.definition.spans import span
from orchestration.alerts.engine.links import query_of
from orchestration.alerts.engine.tick import evaluate_alerts
from orchestration.alerts.engine.transition import Transition, event_id_of
from tests.orchestration.alerts.conftest import NOON, SHIPPED, Marts, shipped
from tests.orchestration.alerts.shipped_cases import CASES, Case

# Past every window and baseline, at the same time of another week.
LATER = timedelta(weeks=8)


def told(marts: Marts, rule: Rule, *, at: datetime) -> list[tuple[str, str, float | None]]:
    found = evaluate_alerts(marts.connection, rules=[rule], now=at)
    return [(one.group, one.transition, one.value) for one in found]


@pytest.mark.parametrize("name", CASES)
def test_a_shipped_rule_is_silent_then_fires_then_resolves(marts: Marts, name: str) -> None:
    rule, case = shipped(name), CASES[name]
    times = [NOON, NOON + LATER, NOON + 2 * LATER]
    held = span(rule.hold) if rule.hold else timedelta()
    kept = span(rule.keep_firing) if rule.keep_firing else timedelta()

    case.fill(marts, times[0], False)
    assert told(marts, rule, at=times[0]) == []
    assert told(marts, rule, at=times[0] + held) == []

    case.fill(marts, times[1], True)
    fired = told(marts, rule, at=times[1])
    if rule.hold:
        assert fired == []
        fired = told(marts, rule, at=times[1] + held)
    [(group, transition, value)] = fired
    assert (group, transition) == (case.group, "firing")
    assert value == pytest.approx(case.value, rel=0.01)

    case.fill(marts, times[2], False)
    ended = told(marts, rule, at=times[2])
    if rule.keep_firing:
        ended += told(marts, rule, at=times[2] + kept)
    assert [(group, transition) for group, transition, _ in ended] == [(case.group, "resolved")]


def test_calls_that_wait_for_the_next_hour_of_a_judge_are_no_alarm(marts: Marts) -> None:
    rule = msgspec.structs.replace(shipped("pending_calls"), hold=None)
    # The rule asks the server's clock, as a judge works by it.
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    now = hour + timedelta(minutes=59)
    marts.ledger(hour, evaluator="helpfulness", kind="judge", n=500, n_pending=500)
    assert told(marts, rule, at=now) == []

    marts.ledger(hour - timedelta(hours=5), evaluator="helpfulness", kind="judge", n=500, n_pending=120)
    assert told(marts, rule, at=now + timedelta(seconds=1)) == [("helpfulness", "firing", 120.0)]


def test_every_shipped_rule_has_such_a_case() -> None:
    assert {*CASES, *ENGINE_METRICS} == {*SHIPPED}


def test_empty_marts_are_silent_for_all_rules_and_no_rule_fails(marts: Marts) -> None:
    assert evaluate_alerts(marts.connection, rules=[*SHIPPED.values()], now=NOON) == []


def test_a_rule_that_fails_is_told_once_and_stops_no_other(marts: Marts) -> None:
    peeping = msgspec.structs.replace(
        shipped("reported_cost"),
        name="peeping",
        metric=SqlMetric(query="select count(*) as value, 1 as n from raw.llm_bodies"),
    )
    case: Case = CASES["secret_leak"]
    case.fill(marts, NOON, True)

    found = evaluate_alerts(marts.connection, rules=[peeping, shipped("secret_leak")], now=NOON)

    assert {(one.rule, one.group, one.transition) for one in found} == {
        ("alert_rules", "peeping", "firing"),
        ("secret_leak", case.group, "firing"),
    }
    assert evaluate_alerts(marts.connection, rules=[peeping], now=NOON + timedelta(minutes=1)) == []


@pytest.mark.parametrize(
    "name", [name for name, rule in SHIPPED.items() if isinstance(rule.metric, MartMetric)]
)
def test_the_command_of_a_message_asks_for_columns_that_exist(marts: Marts, name: str) -> None:
    moment = Transition(
        event_id=event_id_of(name, "g", "firing", NOON),
        rule=name,
        group="g",
        transition="firing",
        severity="info",
        message="m",
        happened_at=NOON,
        dimensions=dict.fromkeys(SHIPPED[name].group_by, "g"),
    )
    command = query_of(SHIPPED[name], moment)
    assert command is not None

    assert marts.connection.execute(shlex.split(command)[2].replace("%", "%%")).fetchall() == []
