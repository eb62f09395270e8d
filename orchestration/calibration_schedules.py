"""When golden sets are judged: once a day, after the night's own work. Without a set or a judge, never."""

from datetime import UTC

import dagster as dg

from orchestration.jobs import golden_job
from orchestration.resources import Warehouse
from orchestration.schedules import RUNNING

HAS_WORK = """
select exists (select from evaluation.golden_items where removed_at is null)
    and exists (select from evaluation.judges where is_enabled)
"""


@dg.schedule(job=golden_job, cron_schedule="15 4 * * *", execution_timezone="UTC", default_status=RUNNING)
def golden_daily(
    context: dg.ScheduleEvaluationContext, warehouse: Warehouse
) -> dg.RunRequest | dg.SkipReason:
    """Every golden set, by every enabled judge; a second run of the day would ask nothing."""
    with warehouse.connect() as connection:
        row = connection.execute(HAS_WORK).fetchone()
    if not (row and row[0]):
        return dg.SkipReason("no golden set, or no judge (`lqo golden add`, `lqo judges add`)")
    tick = context.scheduled_execution_time.astimezone(UTC)
    return dg.RunRequest(run_key=f"golden_daily-{tick.date()}")
