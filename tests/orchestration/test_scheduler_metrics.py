"""The scheduler's metrics, out of what a real Dagster writes into its own database."""

import asyncio
import time

import dagster as dg
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.types import DaemonHeartbeat

from reports.metrics.reading import Reading, read_database
from reports.metrics.scheduler import SCHEDULER
from tests.orchestration.conftest import Stack


def read(stack: Stack) -> Reading:
    return asyncio.run(read_database(SCHEDULER, stack.dagster_url.psycopg()))


def values(reading: Reading, family: str) -> dict[str, float]:
    return {each.labels[0]: each.value for each in reading.samples if each.family == family}


def test_dagsters_own_database_says_whether_the_scheduler_lives(
    instance: dg.DagsterInstance, stack: Stack
) -> None:
    now = time.time()
    instance.add_daemon_heartbeat(DaemonHeartbeat(now - 40, "SENSOR", "id", []))
    instance.add_daemon_heartbeat(DaemonHeartbeat(now - 4000, "SCHEDULER", "id", []))
    for job, statuses in {
        "light_refresh": (
            dg.DagsterRunStatus.SUCCESS,
            dg.DagsterRunStatus.FAILURE,
            dg.DagsterRunStatus.FAILURE,
        ),
        "day": (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED),
    }.items():
        for status in statuses:
            run = create_run_for_test(instance, job_name=job, status=dg.DagsterRunStatus.NOT_STARTED)
            _end(instance, run, status)

    reading = read(stack)

    assert reading.is_up
    beats = values(reading, "llm_evaluator_scheduler_heartbeat_timestamp_seconds")
    assert {daemon: round(now - at) for daemon, at in beats.items()} == {"sensor": 40, "scheduler": 4000}
    assert values(reading, "llm_evaluator_job_failures") == {"day": 0, "light_refresh": 2}
    succeeded = values(reading, "llm_evaluator_job_last_success_timestamp_seconds")
    assert set(succeeded) == {"light_refresh"}
    assert abs(succeeded["light_refresh"] - now) < 60
    runs = values(reading, "llm_evaluator_runs")
    assert runs == {"queued": 0, "started": 1, "starting": 1, "not_started": 0, "canceling": 0}
    asked = {family.name for source in SCHEDULER.sources for family in source.families}
    assert {sample.family for sample in reading.samples} == asked


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, status: dg.DagsterRunStatus) -> None:
    """Bring a run to a status as Dagster does, by its events."""
    events = {
        dg.DagsterRunStatus.SUCCESS: dg.DagsterEventType.RUN_SUCCESS,
        dg.DagsterRunStatus.FAILURE: dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterRunStatus.STARTING: dg.DagsterEventType.RUN_STARTING,
        dg.DagsterRunStatus.STARTED: dg.DagsterEventType.RUN_START,
    }
    instance.report_dagster_event(
        dg.DagsterEvent(event_type_value=events[status].value, job_name=run.job_name), run_id=run.run_id
    )
