"""The scheduler's metrics, out of what Dagster's own storage writes into its database."""

import asyncio
import time

import dagster as dg
from dagster._daemon.types import DaemonHeartbeat
from dagster._time import datetime_from_timestamp
from dagster_postgres.run_storage import PostgresRunStorage

from ingest.database.url import DatabaseUrl
from reports.metrics.reading import Reading, read_database
from reports.metrics.scheduler import SCHEDULER

ENDS = {
    dg.DagsterRunStatus.SUCCESS: dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterRunStatus.FAILURE: dg.DagsterEventType.RUN_FAILURE,
}


def values(reading: Reading, family: str) -> dict[str, float]:
    return {each.labels[0]: each.value for each in reading.samples if each.family == family}


def add_run(storage: PostgresRunStorage, job: str, status: dg.DagsterRunStatus, *, ended_at: float) -> None:
    """A run; one that is over came to its end by the event that Dagster stores then."""
    is_over = status in ENDS
    run = dg.DagsterRun(job_name=job, status=dg.DagsterRunStatus.STARTED if is_over else status)
    storage.add_run(run)
    if is_over:
        event = dg.DagsterEvent(event_type_value=ENDS[status].value, job_name=job)
        storage.handle_run_event(run.run_id, event, datetime_from_timestamp(ended_at))


def test_dagsters_own_database_says_whether_the_scheduler_lives(empty_database: DatabaseUrl) -> None:
    now = time.time()
    storage = PostgresRunStorage.create_clean_storage(empty_database.sqlalchemy("psycopg2"))
    storage.add_daemon_heartbeat(DaemonHeartbeat(now - 40, "SENSOR", "id", []))
    storage.add_daemon_heartbeat(DaemonHeartbeat(now - 4000, "SCHEDULER", "id", []))
    storage.add_daemon_heartbeat(DaemonHeartbeat(now - 30 * 86400, "OF_AN_OLDER_DAGSTER", "id", []))
    add_run(storage, "light_refresh", dg.DagsterRunStatus.SUCCESS, ended_at=now - 7200)
    add_run(storage, "light_refresh", dg.DagsterRunStatus.SUCCESS, ended_at=now - 500)
    add_run(storage, "light_refresh", dg.DagsterRunStatus.FAILURE, ended_at=now - 5000)
    add_run(storage, "light_refresh", dg.DagsterRunStatus.FAILURE, ended_at=now - 300)
    add_run(storage, "day", dg.DagsterRunStatus.STARTED, ended_at=now)

    reading = asyncio.run(read_database(SCHEDULER, empty_database.psycopg()))

    assert reading.is_up
    beats = values(reading, "llm_evaluator_scheduler_heartbeat_timestamp_seconds")
    assert {daemon: round(now - at) for daemon, at in beats.items()} == {"sensor": 40, "scheduler": 4000}
    assert values(reading, "llm_evaluator_job_failures") == {"day": 0, "light_refresh": 1}
    succeeded = values(reading, "llm_evaluator_job_last_success_timestamp_seconds")
    assert {job: round(now - at) for job, at in succeeded.items()} == {"light_refresh": 500}
    runs = values(reading, "llm_evaluator_runs")
    assert runs == {"queued": 0, "started": 1, "starting": 0, "not_started": 0, "canceling": 0}
    asked = {family.name for source in SCHEDULER.sources for family in source.families}
    assert {sample.family for sample in reading.samples} == asked


def test_a_database_without_dagsters_tables_is_up_and_says_nothing_more(empty_database: DatabaseUrl) -> None:
    reading = asyncio.run(read_database(SCHEDULER, empty_database.psycopg()))
    assert reading == Reading(is_up=True, samples=[])
