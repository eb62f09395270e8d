"""When judges are asked: about today every hour, about a closed day in the night. Without a judge, never."""

from collections.abc import Sequence
from datetime import UTC, date

import dagster as dg
import psycopg

from orchestration.jobs import judging_job
from orchestration.judging.days import due_days
from orchestration.resources import Warehouse
from orchestration.schedules import NOT_ENDED, RUNNING

# A judge that was away for a month must not ask for all of it in one night.
MOST_DUE = 7
NO_JUDGE = dg.SkipReason("no judge is configured (`lqo judges add`)")


@dg.schedule(job=judging_job, cron_schedule="35 * * * *", execution_timezone="UTC", default_status=RUNNING)
def judging_today(
    context: dg.ScheduleEvaluationContext, warehouse: Warehouse
) -> dg.RunRequest | dg.SkipReason:
    """Today's calls so far, half an hour after the rules have seen them."""
    if is_busy(context):
        return dg.SkipReason("judges are still being asked")
    with warehouse.connect() as connection:
        if not has_judges(connection):
            return NO_JUDGE
    tick = context.scheduled_execution_time.astimezone(UTC)
    return _request(tick.date(), key=f"judging_today-{tick.isoformat()}")


@dg.schedule(job=judging_job, cron_schedule="30 2 * * *", execution_timezone="UTC", default_status=RUNNING)
def judging_closed(
    context: dg.ScheduleEvaluationContext, warehouse: Warehouse
) -> Sequence[dg.RunRequest] | dg.SkipReason:
    """The newest closed days that wait for their top-ups or for the rest of their verdicts.

    02:30, half an hour after the close. It skips nothing that is queued: `judging_today` does.
    """
    tick = context.scheduled_execution_time.astimezone(UTC)
    with warehouse.connect() as connection:
        if not has_judges(connection):
            return NO_JUDGE
        start = warehouse.settings().start
        days = [day for day in due_days(connection, before=tick.date(), limit=MOST_DUE) if day >= start]
    if not days:
        return dg.SkipReason("every closed day has had its judges")
    return [_request(day, key=f"judging_closed-{tick.date()}-{day}") for day in days]


def has_judges(connection: psycopg.Connection) -> bool:
    """Whether any judge is enabled that is asked directly; those asked in batches have a sensor."""
    row = connection.execute(
        "select exists (select from evaluation.judges where is_enabled and processing = 'direct')"
    ).fetchone()
    return bool(row and row[0])


def is_busy(context: dg.ScheduleEvaluationContext) -> bool:
    """Whether a run of the job is queued or running: it may be at it for hours."""
    unfinished = dg.RunsFilter(job_name=judging_job.name, statuses=NOT_ENDED)
    return bool(context.instance.get_runs(unfinished, limit=1))


def _request(day: date, *, key: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=key, partition_key=day.isoformat())
