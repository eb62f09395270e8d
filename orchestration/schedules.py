"""The clock: today in full every hour, yesterday closed at 02:00 UTC, our traces tidied at 03:30."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from orchestration.jobs import close_day_job, day_job, tidy

# The queued run coordinator's own list of what has not ended yet.
NOT_ENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
RUNNING = dg.DefaultScheduleStatus.RUNNING


@dg.schedule(job=day_job, cron_schedule="5 * * * *", execution_timezone="UTC", default_status=RUNNING)
def hourly_today(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Today in full, so that checks and coverage of the running day are at most an hour old."""
    return _unless_busy(context, "hourly_today", day=_tick(context).date())


@dg.schedule(job=close_day_job, cron_schedule="0 2 * * *", execution_timezone="UTC", default_status=RUNNING)
def daily_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Yesterday in full with its drift report; 02:00, so that streams begun before midnight have ended."""
    return _unless_busy(context, "daily_close", day=_tick(context).date() - timedelta(days=1))


@dg.schedule(job=tidy, cron_schedule="30 3 * * *", execution_timezone="UTC", default_status=RUNNING)
def daily_tidy() -> dg.RunRequest:
    """Runs, event logs, compute logs and dbt targets older than 14 days go."""
    return dg.RunRequest()


def _unless_busy(
    context: dg.ScheduleEvaluationContext, schedule: str, *, day: date
) -> dg.RunRequest | dg.SkipReason:
    unfinished = dg.RunsFilter(tags={"dagster/schedule_name": schedule}, statuses=NOT_ENDED)
    if context.instance.get_runs(unfinished, limit=1):
        return dg.SkipReason("the last run of this schedule is still queued or running")
    return dg.RunRequest(partition_key=day.isoformat())


def _tick(context: dg.ScheduleEvaluationContext) -> datetime:
    return context.scheduled_execution_time.astimezone(UTC)
