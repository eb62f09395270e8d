"""The assets as Dagster runs them, and the marts that others join."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ingest.database.connect import connect
from orchestration.assets.calibrations import calibrations
from orchestration.assets.golden import golden_scores
from orchestration.calibration.golden_items import add_items
from orchestration.calibration.state import trusted_versions
from orchestration.resources import Warehouse
from tests.judge_endpoint import JudgeEndpoint, Reply, judge_endpoint_in_thread, verdict
from tests.orchestration.calibration.seeded import (
    Connection,
    add_distinct_calls,
    add_version,
    judge,
    judged_and_labelled,
)
from tests.orchestration.calibration.test_golden import golden
from tests.orchestration.conftest import Stack
from tests.orchestration.seeding import DAY_START, rows

DAY = DAY_START.date().isoformat()


@pytest.fixture
def connection(stack: Stack) -> Iterator[Connection]:
    with connect(stack.url) as opened:
        yield opened


def materialize(asset: dg.AssetsDefinition, *, day: str | None = None) -> dict[str, object]:
    done = dg.materialize([asset], partition_key=day, resources={"warehouse": Warehouse()})
    [event] = done.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_a_days_run_compares_judges_and_corrects_rates(connection: Connection) -> None:
    good = add_version(connection)
    coin = add_version(connection, version="2.0.0+b")
    rule = add_version(connection, evaluator="refusal", kind="rule")
    add_version(connection, evaluator="tone", status="draft")
    calls = add_distinct_calls(connection, 200)
    judged_and_labelled(connection, calls, good, accuracy=0.97, n_labels=200)
    judge(connection, coin, {call: 5 if n % 2 else 1 for n, call in enumerate(calls)})
    found = materialize(calibrations, day=DAY)
    assert (found["n_ok"], found["n_pass_rates"]) == (1, 4)
    assert "| helpfulness | 1.0.0+a | 200 |" in str(found["preview"])
    gate = rows(
        connection,
        "select evaluator, evaluator_version, calibration_state, may_alert from marts.evaluator_calibrations"
        " where stratum = 'overall' order by evaluator, evaluator_version",
    )
    assert gate == [
        ("helpfulness", "1.0.0+a", "ok", True),
        ("helpfulness", "2.0.0+b", "degraded", False),
        ("refusal", "1.0.0+a", "uncalibrated", True),
        ("tone", "1.0.0+a", "uncalibrated", False),
    ]
    assert trusted_versions(connection) == {good, rule}
    rates = rows(
        connection,
        "select evaluator_version, n, n_labels, corrected_pass_rate between 0.5 and 0.9, calibration_state"
        " from marts.pass_rates_daily where stratum = 'overall' order by evaluator_version",
    )
    assert rates == [("1.0.0+a", 200, 200, True, "ok"), ("2.0.0+b", 200, 200, True, "degraded")]


def test_a_judge_that_nobody_bears_out_ranks_no_model(connection: Connection) -> None:
    good, coin = add_version(connection), add_version(connection, version="2.0.0+b")
    calls = add_distinct_calls(connection, 120)
    judged_and_labelled(connection, calls, good, accuracy=0.97, n_labels=120)
    judge(connection, coin, {call: 5 if n % 2 else 1 for n, call in enumerate(calls)})
    materialize(calibrations, day=DAY)
    with connection.transaction():
        connection.execute(
            "insert into marts.judge_quality_daily (day, model, project, evaluator, evaluator_version,"
            " n_eligible, n_scored, n_clusters, mean_score, coverage)"
            " select date '2026-10-14', model, '(none)', 'helpfulness', version, 50, 50, 50, score, 1"
            " from (values ('small', 3.1), ('large', 4.2)) as models (model, score),"
            " (values ('1.0.0+a'), ('2.0.0+b')) as versions (version)"
        )
    places = rows(
        connection,
        "select evaluator_version, model, place, calibration_state from marts.judge_leaderboard"
        " order by evaluator_version, mean_score desc",
    )
    assert places == [
        ("1.0.0+a", "large", 1, "ok"),
        ("1.0.0+a", "small", 2, "ok"),
        ("2.0.0+b", "large", None, "degraded"),
        ("2.0.0+b", "small", None, "degraded"),
    ]


def test_verdicts_that_came_after_their_day_are_made_up_for(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 40)
    judge(connection, version, dict.fromkeys(calls[:10], 5))
    materialize(calibrations, day=DAY)
    judge(connection, version, dict.fromkeys(calls[10:], 1))
    found = materialize(calibrations, day="2026-10-20")
    assert found["n_late_days"] == 1
    assert rows(
        connection, "select n, raw_pass_rate from marts.pass_rates_daily where stratum = 'overall'"
    ) == [(40, 0.25)]
    assert materialize(calibrations, day="2026-10-20")["n_late_days"] == 0


def test_a_golden_run_shows_a_judge_that_moves(connection: Connection) -> None:
    from datetime import UTC, datetime, timedelta

    from orchestration.calibration.golden_runs import run_golden_sets
    from orchestration.judging.judges import Judge, add_judge, rubric_text
    from orchestration.judging.policies import Policy, put_policy

    with judge_endpoint_in_thread(JudgeEndpoint(answer=lambda _: Reply(content=verdict(5)))) as endpoint:
        put_policy(connection, Policy(policy="all"))
        text, rubric = rubric_text("helpfulness")
        add_judge(
            connection,
            Judge(
                judge="helper",
                evaluator=rubric.name,
                rubric=text,
                provider="house",
                model="judge-1",
                base_url=endpoint.url,
                policy="all",
            ),
        )
        add_items(connection, "core", [golden(number) for number in range(25)])
        run_golden_sets(connection, now=datetime.now(UTC) - timedelta(days=1))
        endpoint.answer = lambda _: Reply(content=verdict(2))
        found = materialize(golden_scores)
    assert (found["n_asked"], found["n_drifting"]) == (25, 1)
    drifted = rows(connection, "select shift, is_drift, n from marts.judge_drift order by day")
    assert drifted == [(0.0, False, 25), (-3.0, True, 25)]
