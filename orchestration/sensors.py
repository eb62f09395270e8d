"""What reacts: dirty hours ask for a light refresh, fresh marts and the clock for the alert rules."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from orchestration.alerts.definition.folder import alerts_folder
from orchestration.alerts.definition.load import load_rule_set
from orchestration.alerts.engine.dagster_runs import end_forgotten
from orchestration.alerts.engine.evaluator_changes import report_changes
from orchestration.alerts.engine.tick import end_retired, tick
from orchestration.jobs import light_refresh
from orchestration.resources import Warehouse
from orchestration.schedules import NOT_ENDED

MARKS = """
select count(*), max(dirty.version) from raw.dirty_hours as dirty
where dirty.hour < now() + interval '1 day'
    and not exists (
        select from evaluation.held_hours as held where held.hour = dirty.hour and held.retry_at > now()
    )
"""
RECENT_RUNS = 6
LONGEST_PAUSE_SECONDS = 900
# Dagster gives a tick 60 s.
LONGEST_TICK_SECONDS = 35


@dg.sensor(
    job=light_refresh,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def dirty_hours(context: dg.SensorEvaluationContext, warehouse: Warehouse) -> dg.RunRequest | dg.SkipReason:
    """Ask for one light refresh while hours are dirty and none is queued or running."""
    job = dg.RunsFilter(job_name=light_refresh.name)
    recent = context.instance.get_run_records(job, limit=RECENT_RUNS)
    if any(record.dagster_run.status in NOT_ENDED for record in recent):
        return dg.SkipReason("a light refresh is queued or running")
    with warehouse.connect() as connection:
        n_marks, newest = connection.execute(MARKS).fetchone() or (0, None)
    if not n_marks:
        return dg.SkipReason("no hour is dirty, or dbt fails on each that is")
    n_failures = count_failures(recent)
    if n_failures and seconds_since(recent[0]) < pause_after(n_failures):
        return dg.SkipReason(
            f"the last {n_failures} light refreshes did not succeed; waiting before the next"
        )
    # A run key is asked for once ever, so the marks alone would not bring a refresh back that left them.
    after = f"-after-{recent[0].dagster_run.run_id[:8]}" if recent else ""
    return dg.RunRequest(run_key=f"marks-{newest}-{n_marks}{after}")


# A call is told within two refreshes and two ticks; half a minute of them costs a second of one core.
@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def alerts(warehouse: Warehouse) -> dg.SkipReason:
    """Evaluate the alert rules on the marts and lay what they say into the outbox; `lqo sender` sends it.

    Every half minute, so both after a refresh and when there is none: an alert must also resolve while
    nothing lands. A file of rules that is wrong is an alert by itself, and ends no rule.
    """
    now = datetime.now(UTC)
    rules = load_rule_set(alerts_folder(warehouse.settings()))
    problems = {problem.source: str(problem) for problem in reversed(rules.problems)}
    with warehouse.connect() as connection:
        found = tick(
            connection, rules=rules.in_force, now=now, problems=problems, limit_seconds=LONGEST_TICK_SECONDS
        )
        ended = [] if problems else end_retired(connection, rules=rules.in_force, now=now)
        ended += end_forgotten(connection, now=now)
        changes = report_changes(connection, now=now)
    said = [f"{len(rules.in_force)} rules", f"{len(found.transitions) + len(ended)} transitions"]
    said.append(f"{len(changes)} changes of evaluators")
    if found.errors:
        said.append(f"not evaluated: {', '.join(sorted(found.errors))}")
    if found.silenced:
        said.append(f"not told, for the judge may not alert: {'; '.join(found.silenced)}")
    return dg.SkipReason(", ".join(said))


def count_failures(recent: Sequence[dg.RunRecord]) -> int:
    """How many of the newest runs failed or were canceled, in a row: their marks are still there."""
    n_failures = 0
    for record in recent:
        if record.dagster_run.status == dg.DagsterRunStatus.SUCCESS:
            break
        n_failures += 1
    return n_failures


def pause_after(n_failures: int) -> float:
    """Seconds to wait after failures in a row: 60, 120, 240 … up to 15 minutes."""
    return min(LONGEST_PAUSE_SECONDS, 30.0 * 2**n_failures)


def seconds_since(record: dg.RunRecord) -> float:
    """Seconds since the run last changed its state."""
    return (datetime.now(UTC) - record.update_timestamp.astimezone(UTC)).total_seconds()
