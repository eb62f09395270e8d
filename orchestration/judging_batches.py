"""When judges are asked in batches, and who collects: one job a closed day, and a sensor that polls.

A day is asked about once it is closed: an answer may take a day, and one batch of all its calls is as fast as
many of an hour's.
"""

from collections.abc import Sequence
from datetime import UTC

import dagster as dg

from orchestration.jobs import BATCHES, DAY_PRIORITY
from orchestration.judging.days import due_days
from orchestration.judging_schedules import MOST_DUE
from orchestration.partitions import BATCH_POOL
from orchestration.resources import Warehouse
from orchestration.schedules import NOT_ENDED, RUNNING
from orchestration.sensors import RECENT_RUNS, count_failures, pause_after, seconds_since

batching_job = dg.define_asset_job(
    "batching",
    selection=BATCHES,
    tags=DAY_PRIORITY,
    description="Send what the judges asked in batches are to say of closed days.",
)


@dg.schedule(job=batching_job, cron_schedule="40 2 * * *", execution_timezone="UTC", default_status=RUNNING)
def batching_closed(
    context: dg.ScheduleEvaluationContext, warehouse: Warehouse
) -> Sequence[dg.RunRequest] | dg.SkipReason:
    """The newest closed days that judges have not been asked about in batches."""
    unfinished = dg.RunsFilter(job_name=batching_job.name, statuses=NOT_ENDED)
    if context.instance.get_runs(unfinished, limit=1):
        return dg.SkipReason("batches are still being sent")
    tick = context.scheduled_execution_time.astimezone(UTC)
    with warehouse.connect() as connection:
        start = warehouse.settings().start
        found = due_days(connection, before=tick.date(), limit=MOST_DUE, processing="batch")
    days = [day for day in found if day >= start]
    if not days:
        return dg.SkipReason("no closed day waits for a batch")
    return [
        dg.RunRequest(run_key=f"batching_closed-{tick.date()}-{day}", partition_key=day.isoformat())
        for day in days
    ]


@dg.op(pool=BATCH_POOL)
def tend(context: dg.OpExecutionContext, warehouse: Warehouse) -> None:
    """Send half-sent batches, collect ended ones, send again what failed; one batch's problem is its own."""
    # The client of the endpoints is not for the code location's load.
    from orchestration.judging.batches_tend import tend_batches

    with warehouse.connect() as connection:
        tended = tend_batches(connection, redis_url=warehouse.settings().redis_url)
    for problem in tended.problems:
        context.log.warning("%s", problem)
    context.add_output_metadata(
        {"done": str(tended.done), "problems": "; ".join(tended.problems)[:2_000] or "none"}
    )


@dg.job
def tend_judge_batches() -> None:
    """What is due of all batches; the sensor `judge_batches_due` asks for it."""
    tend()


@dg.sensor(
    job=tend_judge_batches,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def judge_batches_due(
    context: dg.SensorEvaluationContext, warehouse: Warehouse
) -> dg.RunRequest | dg.SkipReason:
    """Ask the providers after batches that are out; request one run where something is to be done."""
    recent = context.instance.get_run_records(
        dg.RunsFilter(job_name=tend_judge_batches.name), limit=RECENT_RUNS
    )
    if any(record.dagster_run.status in NOT_ENDED for record in recent):
        return dg.SkipReason("batches are being tended")
    n_failures = count_failures(recent)
    if n_failures and seconds_since(recent[0]) < pause_after(n_failures):
        return dg.SkipReason(f"the last {n_failures} runs did not succeed; waiting before the next")
    from orchestration.judging.batches_tend import look_around

    with warehouse.connect() as connection:
        due = look_around(connection)
    if not due.is_something:
        return dg.SkipReason(f"nothing is due; {due.n_out} batches looked at are still out")
    # No run key: a key is asked for once ever, and the same batch may be due again after a failure.
    return dg.RunRequest()
