"""What reacts: dirty hours ask for a light refresh, fresh marts and the clock for the alert rules."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from orchestration.alerts.changes import report_changes
from orchestration.alerts.channels import configured_channels, configured_mail
from orchestration.alerts.evaluate import evaluate_rules
from orchestration.alerts.grades import evaluate_grades
from orchestration.alerts.http import post_json
from orchestration.alerts.mail import send_mail
from orchestration.alerts.outbox import send_outbox
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


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def alerts(warehouse: Warehouse) -> dg.SkipReason:
    """Evaluate the alert rules on the marts, then send what waits in the outbox.

    Every minute, so both after a refresh and when there is none: an alert must also resolve, and a
    message that could not be sent must be tried again, while nothing lands.
    """
    now = datetime.now(UTC)
    with warehouse.connect() as connection:
        transitions = evaluate_rules(connection, now=now)
        grades = evaluate_grades(connection, now=now)
        changes = report_changes(connection, now=now)
        report = send_outbox(connection, channels=configured_channels(), http=post_json, now=now)
        mail = send_outbox(connection, channels=configured_mail(), http=send_mail, now=now)
    n_transitions = len(transitions) + len(grades.transitions)
    said = [f"{n_transitions} transitions", f"{len(changes)} changes of evaluators"]
    said += [f"{report.n_sent + mail.n_sent} sent", f"{report.n_failed + mail.n_failed} failed"]
    if grades.silenced:
        said.append(f"not told, for the judge may not alert: {'; '.join(grades.silenced)}")
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
