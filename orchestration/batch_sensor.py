"""Batches are polled by a sensor; the job it asks for sends, collects and retries what is due."""

import dagster as dg

from orchestration.partitions import JUDGE_POOL
from orchestration.resources import Warehouse
from orchestration.schedules import NOT_ENDED
from orchestration.sensors import RECENT_RUNS, count_failures, pause_after, seconds_since


@dg.op(pool=JUDGE_POOL)
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
