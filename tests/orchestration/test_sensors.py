"""What asks for runs: sensors and schedules, and what they wait for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.held import hold
from orchestration.resources import Warehouse
from orchestration.tidy import KEEP_DAYS, tidy_files, tidy_runs
from tests.orchestration.conftest import Stack
from tests.orchestration.seeding import add_calls

NIGHT = datetime(2026, 10, 15, 2, tzinfo=UTC)


@pytest.fixture
def ask(stack: Stack, instance: dg.DagsterInstance) -> Callable[[], Any]:
    """One tick of the dirty-hours sensor."""
    from orchestration.sensors import dirty_hours

    def tick() -> Any:
        with dg.build_sensor_context(instance=instance, resources={"warehouse": Warehouse()}) as context:
            return dirty_hours(context)

    return tick


def dirty(url: DatabaseUrl, seed: str) -> None:
    with connect(url) as connection:
        add_calls(connection, 1, start=datetime(2026, 10, 14, 3, tzinfo=UTC), seed=seed)


def refresh_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    return create_run_for_test(instance, job_name="light_refresh", status=status)


def close_tick(instance: dg.DagsterInstance) -> Any:
    """What the schedule of the night asks for."""
    from orchestration.schedules import daily_close

    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=NIGHT, resources={"warehouse": Warehouse()}
    ) as context:
        return daily_close(context)


def test_dirty_hours_ask_for_one_refresh(
    stack: Stack, instance: dg.DagsterInstance, ask: Callable[[], Any]
) -> None:
    assert isinstance(ask(), dg.SkipReason)
    dirty(stack.url, "a")
    first = ask()
    assert isinstance(first, dg.RunRequest)
    assert ask().run_key == first.run_key, "the same marks are one request, however often it looks"

    refresh_run(instance, dg.DagsterRunStatus.STARTED)
    dirty(stack.url, "b")
    assert isinstance(ask(), dg.SkipReason)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_refresh_that_did_not_succeed_is_asked_for_again_after_a_pause(
    stack: Stack,
    instance: dg.DagsterInstance,
    ask: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    status: dg.DagsterRunStatus,
) -> None:
    from orchestration import sensors

    dirty(stack.url, "a")
    first = ask()
    refresh_run(instance, status)
    assert isinstance(ask(), dg.SkipReason)
    monkeypatch.setattr(sensors, "LONGEST_PAUSE_SECONDS", 0)
    again = ask()
    assert isinstance(again, dg.RunRequest)
    assert again.run_key != first.run_key


def test_a_held_hour_is_asked_for_when_it_is_due_and_not_before(
    stack: Stack, instance: dg.DagsterInstance, ask: Callable[[], Any]
) -> None:
    dirty(stack.url, "a")
    first = ask()
    with connect(stack.url) as connection:
        hold(connection, datetime(2026, 10, 14, 3, tzinfo=UTC), error="dbt run failed")
    refresh_run(instance, dg.DagsterRunStatus.SUCCESS)
    assert isinstance(ask(), dg.SkipReason)

    with connect(stack.url) as connection:
        connection.execute("update evaluation.held_hours set retry_at = now()")
    again = ask()
    assert isinstance(again, dg.RunRequest)
    assert again.run_key != first.run_key, "the marks are the same, and a run key is asked for once ever"


def test_the_pause_doubles_up_to_a_quarter_of_an_hour() -> None:
    from orchestration.sensors import pause_after

    assert [pause_after(n) for n in (1, 2, 3, 9)] == [60, 120, 240, 900]


def test_today_is_asked_for_hourly_unless_the_last_run_has_not_ended(
    stack: Stack, instance: dg.DagsterInstance
) -> None:
    from orchestration.schedules import hourly_today

    def tick() -> Any:
        with dg.build_schedule_context(instance=instance, scheduled_execution_time=NIGHT) as context:
            return hourly_today(context)

    assert tick().partition_key == "2026-10-15"
    create_run_for_test(
        instance,
        job_name="day",
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/schedule_name": "hourly_today"},
    )
    assert isinstance(tick(), dg.SkipReason)


def test_the_night_closes_yesterday_and_what_was_opened_again(
    stack: Stack, instance: dg.DagsterInstance
) -> None:
    with connect(stack.url) as connection:
        connection.execute(
            "insert into evaluation.day_closes (day, n_calls, closed_at, reopened_at) values"
            " ('2026-09-30', 1, '2026-10-01', '2026-10-02'), ('2026-10-01', 1, '2026-10-02', null)"
        )
        add_calls(connection, 1, start=datetime(2026, 9, 1, tzinfo=UTC))
    asked = close_tick(instance)
    assert [request.partition_key for request in asked] == ["2026-09-01", "2026-09-30", "2026-10-14"]
    assert len({request.run_key for request in asked}) == 3


def test_the_night_asks_for_no_day_before_the_first(
    stack: Stack, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(stack.url) as connection:
        connection.execute(
            "insert into evaluation.day_closes (day, n_calls, closed_at, reopened_at) values"
            " ('2026-09-30', 1, '2026-10-01', '2026-10-02')"
        )
        add_calls(connection, 1, start=datetime(2026, 9, 1, tzinfo=UTC))
    monkeypatch.setenv("LQO_START", "2026-10-14")
    assert [request.partition_key for request in close_tick(instance)] == ["2026-10-14"]
    monkeypatch.setenv("LQO_START", "2026-10-15")
    assert isinstance(close_tick(instance), dg.SkipReason)


def test_old_runs_go_and_the_partitions_they_made_stay(stack: Stack, instance: dg.DagsterInstance) -> None:
    key = dg.AssetKey(["made"])
    partitions = dg.DailyPartitionsDefinition("2026-10-01")

    @dg.asset(key=key, partitions_def=partitions)
    def made() -> None: ...

    for _ in range(2):
        assert dg.materialize([made], instance=instance, partition_key="2026-10-02").success
    later = datetime.now(UTC) + timedelta(days=KEEP_DAYS + 1)
    assert tidy_runs(instance, compute_logs=stack.settings.dagster / "compute_logs") == 0
    assert tidy_runs(instance, compute_logs=stack.settings.dagster / "compute_logs", now=later) == 2

    assert instance.get_runs() == []
    assert instance.get_materialized_partitions(key) == {"2026-10-02"}
    kept = instance.fetch_materializations(key, limit=10).records
    assert len(kept) == 1, "of two materialisations of a partition the newer one"


def test_old_targets_go_and_new_ones_stay(stack: Stack) -> None:
    target = stack.settings.dbt_target
    (target / "refresh-old").mkdir()
    now = (target / "refresh-old").stat().st_mtime
    assert tidy_files(target, now=now) == 0
    assert tidy_files(target, now=now + (KEEP_DAYS + 1) * 86_400) >= 1
    assert (target / "manifest.json").exists()
