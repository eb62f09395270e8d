"""When the weekly report is made and sent: on Monday at 07:00 UTC, after the night has closed Sunday."""

from datetime import UTC

import dagster as dg

from orchestration.jobs import DAY_PRIORITY, WEEKLY_REPORT
from orchestration.schedules import RUNNING
from reports.weekly.week import last_full_week

SEND = {"ops": {"reports__weekly": {"config": {"send": True}}}}

weekly_report_job = dg.define_asset_job(
    "weekly_report",
    selection=WEEKLY_REPORT,
    tags=DAY_PRIORITY,
    description="The page of a week; sent by e-mail and Slack where the run is told to.",
)


@dg.schedule(
    job=weekly_report_job, cron_schedule="0 7 * * 1", execution_timezone="UTC", default_status=RUNNING
)
def weekly_report(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """The week that ended on Sunday. UTC, so that no change to summer time makes it early or late."""
    week = last_full_week(context.scheduled_execution_time.astimezone(UTC))
    return dg.RunRequest(
        run_key=f"weekly_report-{week}", partition_key=week.first_day.isoformat(), run_config=SEND
    )
