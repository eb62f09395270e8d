"""Another rule set is not another product: it fires nothing, and hides nothing."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.versions.shift import NO_SHIFT
from orchestration.alerts.definition.model import BuiltInMetric, Rule
from orchestration.alerts.engine.evaluator_changes import report_changes
from orchestration.alerts.engine.tick import evaluate_alerts
from orchestration.versions.scale import failing_scale
from tests.orchestration.alerts.written_rules import shipped

Connection = psycopg.Connection[TupleRow]
RULE = shipped("failing_share")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# From here on the second rule set is current.
CHANGE = datetime(2026, 11, 10, tzinfo=UTC)
OLD, NEW = 1, 2


@pytest.fixture
def mart(connection: Connection) -> Connection:
    """Two rule sets; under the first, 10 % of the calls have failed for two days before the change."""
    connection.execute(
        "create table marts.failing_hourly ("
        "hour timestamptz, model text, rule_set_version integer, n_scored bigint, n_failed bigint)"
    )
    connection.execute(
        "insert into evaluation.rule_sets (hash, current_from, current_to)"
        " values ('old', %s, %s), ('new', %s, null)",
        (CHANGE - 9 * DAY, CHANGE, CHANGE),
    )
    add_days(connection, CHANGE - 2 * DAY, days=2, share=0.1, rule_set=OLD)
    return connection


def add_days(
    connection: Connection, start: datetime, *, days: int, share: float, rule_set: int, model: str = "m"
) -> None:
    """100 calls an hour."""
    connection.execute(
        "insert into marts.failing_hourly"
        " select hour, %s, %s, 100, round(100 * %s::numeric)"
        " from generate_series(%s::timestamptz, %s::timestamptz - interval '1 hour', interval '1 hour')"
        " as hour",
        (model, rule_set, share, start, start + days * DAY),
    )
    connection.commit()


def add_bridge(connection: Connection, *, n: int, failed_old: int, failed_new: int, model: str = "m") -> None:
    """The new set fails all that the old one fails, and more."""
    connection.execute(
        "insert into evaluation.rule_set_bridges values (%s, %s, %s, %s, %s, %s, %s, %s)",
        (CHANGE.date(), OLD, NEW, model, n, failed_old, failed_new, failed_new - failed_old),
    )
    connection.commit()


def evaluate(connection: Connection, *moments: datetime, rule: Rule = RULE) -> list[str]:
    found = [t for now in moments for t in evaluate_alerts(connection, now=now, rules=[rule])]
    connection.commit()
    return [one.transition for one in found]


def hours(start: datetime, n: int) -> list[datetime]:
    return [start + number * HOUR for number in range(1, n + 1)]


def test_a_stricter_rule_set_fires_nothing_and_a_regression_after_it_does(mart: Connection) -> None:
    """The product stays at 10 % for four days; the stricter set shows 40 % of the same calls."""
    add_bridge(mart, n=1000, failed_old=100, failed_new=400)
    add_days(mart, CHANGE, days=2, share=0.4, rule_set=NEW)
    assert evaluate(mart, *hours(CHANGE - DAY, 72)) == []

    # A real loss: 35 % by the old measure, 65 % by the new one.
    add_days(mart, CHANGE + 2 * DAY, days=1, share=0.65, rule_set=NEW)
    assert evaluate(mart, *hours(CHANGE + 2 * DAY, 24)) == ["firing"]

    add_days(mart, CHANGE + 3 * DAY, days=2, share=0.4, rule_set=NEW)
    assert evaluate(mart, *hours(CHANGE + 3 * DAY, 48)) == ["resolved"]


def test_without_the_correction_it_would_fire(mart: Connection) -> None:
    """The same data with the threshold chosen for the new set, so with nothing to correct."""
    add_bridge(mart, n=1000, failed_old=100, failed_new=400)
    add_days(mart, CHANGE, days=2, share=0.4, rule_set=NEW)
    metric = BuiltInMetric(name="failing_share", unit="share", chosen_at=CHANGE + DAY)
    chosen = shipped("failing_share", metric=metric)
    assert evaluate(mart, CHANGE + DAY, rule=chosen) == ["firing"]


def test_a_kinder_rule_set_neither_hides_nor_resolves_a_loss(mart: Connection) -> None:
    """40 % by the old measure are 15 % by the new one, under the threshold: the product is as bad."""
    add_days(mart, CHANGE - 12 * HOUR, days=1, share=0.9, rule_set=OLD)
    mart.execute("delete from marts.failing_hourly where hour >= %s", (CHANGE,))
    assert evaluate(mart, CHANGE) == ["firing"]
    add_bridge(mart, n=1000, failed_old=400, failed_new=400)
    mart.execute("update evaluation.rule_set_bridges set n_failed_to = 150, n_flips = 250")
    add_days(mart, CHANGE, days=2, share=0.15, rule_set=NEW)
    assert evaluate(mart, *hours(CHANGE, 48)) == []


def test_without_a_bridge_the_step_is_the_evaluators_and_what_follows_the_products(mart: Connection) -> None:
    add_days(mart, CHANGE, days=2, share=0.4, rule_set=NEW)
    assert evaluate(mart, *hours(CHANGE - DAY, 72)) == []
    add_days(mart, CHANGE + 2 * DAY, days=1, share=0.65, rule_set=NEW)
    assert evaluate(mart, *hours(CHANGE + 2 * DAY, 24)) == ["firing"]


def test_the_message_says_what_was_taken_off(mart: Connection) -> None:
    add_bridge(mart, n=1000, failed_old=100, failed_new=400)
    add_days(mart, CHANGE, days=1, share=0.65, rule_set=NEW)
    [found] = evaluate_alerts(mart, now=CHANGE + DAY, rules=[RULE])
    assert found.value == pytest.approx(0.35)
    assert "35.0% of 2400 calls failed" in found.message
    assert "without the +30.0% that a change of rules makes" in found.message


def test_a_window_of_both_sets_is_corrected_by_the_calls_of_each(mart: Connection) -> None:
    """Half a day each: 10 % and 70 % are 40 % raw and 10 % on one scale."""
    add_bridge(mart, n=1000, failed_old=100, failed_new=700)
    add_days(mart, CHANGE, days=1, share=0.7, rule_set=NEW)
    assert evaluate(mart, CHANGE + 12 * HOUR) == []
    add_days(mart, CHANGE - DAY, days=1, share=1, rule_set=OLD, model="other")
    [found] = evaluate_alerts(mart, now=CHANGE + 12 * HOUR + HOUR, rules=[RULE])
    assert found.group == "other"


def test_a_model_has_its_own_offset_where_it_has_enough_calls(mart: Connection) -> None:
    """Pooled the shift is 0.2; one model's is 0.4, and a model with 20 shared calls takes the pooled one."""
    add_bridge(mart, n=490, failed_old=0, failed_new=196, model="strict")
    add_bridge(mart, n=490, failed_old=0, failed_new=8, model="mild")
    add_bridge(mart, n=20, failed_old=0, failed_new=0, model="rare")
    scale = failing_scale(mart, {OLD, NEW})

    offsets = {name: scale.offset(NEW, model=name).value for name in ("strict", "mild", "rare", "new")}
    assert offsets == pytest.approx({"strict": 0.4, "mild": 8 / 490, "rare": 0.204, "new": 0.204})
    assert scale.offset(OLD, model="strict") == NO_SHIFT


def test_bridges_add_up_over_days_and_lead_over_several_sets(mart: Connection) -> None:
    mart.execute(
        "insert into evaluation.rule_sets (hash, current_from) values ('third', %s)", (CHANGE + DAY,)
    )
    for day, n_failed in ((0, 30), (1, 10)):
        mart.execute(
            "insert into evaluation.rule_set_bridges values (%s, 1, 2, 'm', 100, 10, %s, %s)",
            (CHANGE.date() + day * DAY, n_failed, abs(n_failed - 10)),
        )
    mart.execute(
        "insert into evaluation.rule_set_bridges values (%s, 2, 3, 'm', 100, 40, 10, 30)", (CHANGE.date(),)
    )

    scale = failing_scale(mart, {3})
    # +20 of 200, then -30 of 100.
    assert scale.offset(2, model="m").value == pytest.approx(0.1)
    assert scale.offset(3, model="m").value == pytest.approx(-0.2)
    # From the third set on, the same way back.
    back = failing_scale(mart, {1, 3}, at=CHANGE + 2 * DAY)
    assert back.reference == 3
    assert back.offset(1, model="m").value == pytest.approx(0.2)


def test_one_rule_set_ever_needs_no_correction(connection: Connection) -> None:
    connection.execute("insert into evaluation.rule_sets (hash) values ('only')")
    scale = failing_scale(connection, {1})
    assert scale.reference == 1
    assert scale.offset(1, model="m") == NO_SHIFT


def test_a_change_of_evaluators_is_told_once_as_what_it_is(connection: Connection) -> None:
    for name in ("refusal", "slow"):
        connection.execute(
            "insert into evaluation.evaluator_versions"
            " (evaluator, version, kind, status, current_from, current_to)"
            " values (%(name)s, 'v1', 'rule', 'retired', %(before)s, %(at)s),"
            " (%(name)s, 'v2', 'rule', 'active', %(at)s, null)",
            {"name": name, "before": CHANGE - 9 * DAY, "at": CHANGE},
        )
    connection.execute(
        "insert into evaluation.bridges (from_version_id, to_version_id, evaluator, first_day, last_day,"
        " n_shared, n_only_from, n_only_to, shift, n_flips)"
        " values (1, 2, 'refusal', %(day)s, %(day)s, 812, 0, 0, -0.2, 162)",
        {"day": CHANGE.date()},
    )
    connection.commit()

    assert report_changes(connection, now=CHANGE - HOUR) == []
    assert len(report_changes(connection, now=CHANGE + HOUR)) == 1
    assert report_changes(connection, now=CHANGE + 2 * HOUR) == []
    [(rule, group, transition, message)] = connection.execute(
        "select rule, group_key, transition, message from alerting.events"
    ).fetchall()
    assert (rule, group, transition) == ("evaluator_change", "2 evaluators", "changed")
    assert message.startswith("refusal v1 → v2, -0.200 on 812 shared calls; slow v1 → v2, not bridged yet.")
    [(payload,)] = connection.execute("select payload from alerting.outbox").fetchall()
    assert (payload["type"], payload["transition"]) == ("alert", "changed")
    assert payload["rule"] == "evaluator_change"
