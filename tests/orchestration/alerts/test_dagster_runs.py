"""Failures of Dagster's runs and checks: alerts by job and by check, until the next success."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from orchestration.alerts.engine.dagster_runs import CheckResult, EndedRun, end_forgotten, record_run
from orchestration.resources import Warehouse

Connection = psycopg.Connection[TupleRow]
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def record(connection: Connection, *, minutes: int, **given: Any) -> list[tuple[str, str, str]]:
    run = EndedRun(**{"run_id": f"run{minutes}-abcdef", "job": "day", "at": NOON + minutes * MINUTE, **given})
    found = record_run(connection, run)
    return [(one.rule, one.group, one.transition) for one in found]


def test_a_job_that_fails_is_told_once_until_it_succeeds(rolled_back: Connection) -> None:
    assert record(rolled_back, minutes=0) == []
    assert record(rolled_back, minutes=1, error="dbt: 3 errors") == [("run_failure", "day", "firing")]
    assert record(rolled_back, minutes=2, error="dbt: 3 errors") == []
    assert record(rolled_back, minutes=3, job="close_day", error="no") == [
        ("run_failure", "close_day", "firing")
    ]
    assert record(rolled_back, minutes=4) == [("run_failure", "day", "resolved")]
    with rolled_back.transaction():
        messages = rolled_back.execute(
            "select message, source from alerting.events order by happened_at"
        ).fetchall()
    assert messages[0] == ("day: run run1-abc failed: dbt: 3 errors", "dagster")
    assert messages[-1] == ("day: a later run succeeded", "dagster")


def test_a_check_of_severity_error_is_told_and_a_warning_is_not(rolled_back: Connection) -> None:
    failed = CheckResult(
        "marts/evaluation_coverage:ledger", passed=False, is_error=True, description="3 rows off"
    )
    warned = CheckResult("raw/llm_calls:error_rate", passed=False, is_error=False)
    passed = CheckResult(failed.name, passed=True, is_error=True)
    assert record(rolled_back, minutes=1, checks=(failed, warned)) == [("asset_check", failed.name, "firing")]
    assert record(rolled_back, minutes=2, checks=(warned,)) == [], (
        "a run without the check says nothing of it"
    )
    assert record(rolled_back, minutes=3, checks=(passed,)) == [("asset_check", failed.name, "resolved")]


def test_what_never_runs_again_does_not_fire_for_ever(rolled_back: Connection) -> None:
    failed = CheckResult("marts/gone:check", passed=False, is_error=True)
    assert len(record(rolled_back, minutes=1, job="once", error="no", checks=(failed,))) == 2
    record(rolled_back, minutes=2, job="monthly", error="no")
    record(rolled_back, minutes=24 * 60, job="monthly", error="no")

    later = NOON + timedelta(days=35, minutes=5)
    ended = end_forgotten(rolled_back, now=later)

    told = [(one.group, one.transition, one.message, one.source) for one in ended]
    assert told == [
        (name, "resolved", f"{name}: it has not run for 35 days", "dagster")
        for name in ("once", "marts/gone:check")
    ]
    assert end_forgotten(rolled_back, now=later + MINUTE) == []


@dg.op
def fails() -> None:
    raise ValueError("the table is not there")


@dg.op
def works() -> None:
    return


@dg.job
def nightly() -> None:
    fails()


@dg.job(name="nightly")
def mended() -> None:
    works()


@pytest.fixture
def home(warehouse: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LQO_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", warehouse.libpq())


def told(instance: dg.DagsterInstance, result: Any) -> None:
    """What the daemon does with a run that ended."""
    from orchestration.run_sensors import run_failures, run_successes

    sensor, event = (
        (run_successes, result.get_run_success_event())
        if result.success
        else (run_failures, result.get_run_failure_event())
    )
    with dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        resources={"warehouse": Warehouse()},
    ) as context:
        sensor(context if result.success else context.for_run_failure())


def test_the_sensors_tell_of_real_runs_in_the_words_of_the_step(home: None, connection: Connection) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        failed = nightly.execute_in_process(instance=instance, raise_on_error=False)
        told(instance, failed)
        succeeded = mended.execute_in_process(instance=instance)
        told(instance, succeeded)
        # Late: the job has succeeded meanwhile.
        told(instance, failed)
    events = connection.execute(
        "select group_key, transition, message from alerting.events order by happened_at"
    ).fetchall()
    assert [event[:2] for event in events] == [("nightly", "firing"), ("nightly", "resolved")]
    assert "fails: ValueError: the table is not there" in events[0][2]
    assert failed.run_id[:8] in events[0][2]
