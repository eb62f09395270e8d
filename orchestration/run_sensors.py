"""Runs that ended: failures of jobs and of checks become alerts, and their next success ends them."""

from datetime import UTC, datetime

import dagster as dg

from orchestration.alerts.engine.dagster_runs import CheckResult, EndedRun, record_run
from orchestration.resources import Warehouse

RUNNING = dg.DefaultSensorStatus.RUNNING
EVERY_SECONDS = 30


@dg.run_failure_sensor(default_status=RUNNING, minimum_interval_seconds=EVERY_SECONDS)
def run_failures(context: dg.RunFailureSensorContext, warehouse: Warehouse) -> None:
    """Write the failure of a run, unless a later run of its job has succeeded meanwhile.

    Failures and successes are told by two sensors, and this one may come late.
    """
    run = context.dagster_run
    at = ended_at(context.instance, run.run_id)
    later = dg.RunsFilter(job_name=run.job_name, statuses=[dg.DagsterRunStatus.SUCCESS], updated_after=at)
    if context.instance.get_run_records(later, limit=1):
        return
    with warehouse.connect() as connection:
        record_run(connection, ended_run(context.instance, run, at=at, error=_error(context)))


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS, default_status=RUNNING, minimum_interval_seconds=EVERY_SECONDS
)
def run_successes(context: dg.RunStatusSensorContext, warehouse: Warehouse) -> None:
    """Write that a job works again, and what its checks found."""
    run = context.dagster_run
    at = ended_at(context.instance, run.run_id)
    with warehouse.connect() as connection:
        record_run(connection, ended_run(context.instance, run, at=at))


def ended_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, *, at: datetime, error: str | None = None
) -> EndedRun:
    """The run with the last result of each check that it made."""
    records = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    found: dict[str, CheckResult] = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        check = event.asset_check_evaluation_data
        name = f"{check.asset_key.to_user_string()}:{check.check_name}"
        is_error = check.severity == dg.AssetCheckSeverity.ERROR
        found[name] = CheckResult(name, check.passed, is_error, check.description or "")
    return EndedRun(run.run_id, run.job_name, at, error, tuple(found.values()), run.tags)


def ended_at(instance: dg.DagsterInstance, run_id: str) -> datetime:
    """When the run ended; now for one that says nothing of it."""
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return datetime.now(UTC)
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, tz=UTC)
    return record.update_timestamp.astimezone(UTC)


def _error(context: dg.RunFailureSensorContext) -> str:
    """What failed, in the words of the first step that did; the run's own words where it had none."""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        if error is not None:
            # A wrapper says that a step failed; its cause says why.
            cause = error.cause or error
            return f"{event.step_key}: {cause.message}"
    return context.failure_event.message or "no reason is on record"
