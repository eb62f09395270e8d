"""The clock: today in full every hour, yesterday closed at 02:00 UTC, our traces tidied at 03:30."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from orchestration.closing import reopened_days, unclosed_days
from orchestration.jobs import close_day_job, day_job, tidy
from orchestration.resources import Warehouse

# The queued run coordinator's own list of what has not ended yet.
NOT_ENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
RUNNING = dg.DefaultScheduleStatus.RUNNING
BUSY = dg.SkipReason("the last run of this schedule is still queued or running")
# A correction of a whole year's prices, or an import of one, must not keep a night's close waiting.
MOST_REOPENED = 7
MOST_UNCLOSED = 7


@dg.schedule(job=day_job, cron_schedule="5 * * * *", execution_timezone="UTC", default_status=RUNNING)
def hourly_today(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Today in full, so that checks and coverage of the running day are at most an hour old."""
    if _is_busy(context, "hourly_today"):
        return BUSY
    tick = _tick(context)
    return _request(tick.date(), key=f"hourly_today-{tick.isoformat()}")


@dg.schedule(job=close_day_job, cron_schedule="0 2 * * *", execution_timezone="UTC", default_status=RUNNING)
def daily_close(
    context: dg.ScheduleEvaluationContext, warehouse: Warehouse
) -> Sequence[dg.RunRequest] | dg.SkipReason:
    """Yesterday in full with its drift report, and other days that are to be closed.

    These are the oldest that changed after their close and the newest that were never closed. 02:00, so that
    streams begun before midnight have ended. A day before LQO_START has no partition: asking for it would
    fail the whole tick.
    """
    if _is_busy(context, "daily_close"):
        return BUSY
    today, start = _tick(context).date(), warehouse.settings().start
    with warehouse.connect() as connection:
        reopened = [day for day in reopened_days(connection) if start <= day < today][:MOST_REOPENED]
        unclosed = unclosed_days(connection, start=start, before=today, limit=MOST_UNCLOSED)
    days = sorted({*reopened, *unclosed, max(start, today - timedelta(days=1))} - {today})
    if not days:
        return dg.SkipReason("no day from LQO_START on is over")
    return [_request(day, key=f"daily_close-{today}-{day}") for day in days]


@dg.schedule(job=tidy, cron_schedule="30 3 * * *", execution_timezone="UTC", default_status=RUNNING)
def daily_tidy() -> dg.RunRequest:
    """Runs, event logs, compute logs and dbt targets older than 14 days go."""
    return dg.RunRequest()


def _is_busy(context: dg.ScheduleEvaluationContext, schedule: str) -> bool:
    unfinished = dg.RunsFilter(tags={"dagster/schedule_name": schedule}, statuses=NOT_ENDED)
    return bool(context.instance.get_runs(unfinished, limit=1))


def _request(day: date, *, key: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=key, partition_key=day.isoformat())


def _tick(context: dg.ScheduleEvaluationContext) -> datetime:
    return context.scheduled_execution_time.astimezone(UTC)
