"""`lqo report`: what people read, written when they ask for it."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import psycopg
import typer

from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from orchestration.alerts.delivery.plan import Plan
    from reports.weekly.week import Week

app = typer.Typer(no_args_is_help=True, help="Reports as single HTML files.")

PATIENCE_SECONDS = 10.0
STATE = "select channel, sent_at, last_error from alerting.outbox where event_id = %s order by channel"


@app.callback()
def _report() -> None:
    """Reports as single HTML files."""


@app.command()
def weekly(
    week: Annotated[
        str | None, typer.Option(help="An ISO week such as 2026-W46; default: the last one that is over.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A file or a folder; default: reports/ in LQO_HOME.")
    ] = None,
    is_sent: Annotated[
        bool, typer.Option("--send", help="Also send it by e-mail and Slack, where it has not been sent yet.")
    ] = False,
) -> None:
    """Write the report of a week: quality, models, prompts, cost, incidents, drift, coverage."""
    from orchestration.weekly import ReportError, make_report

    chosen, settings = _week(week), settings_or_exit()
    if out is None:
        out = settings.reports
        out.mkdir(parents=True, exist_ok=True)
    elif not out.is_dir() and not out.absolute().parent.is_dir():
        raise UserError(f"there is no folder {out.absolute().parent}", code=2)
    with open_warehouse(settings) as connection:
        try:
            figures, path = make_report(connection, chosen, out=out)
        except ReportError as error:
            raise UserError(str(error)) from error
        except OSError as error:
            raise UserError(f"{out} cannot be written: {error.strerror or error}") from error
        typer.echo(f"{path} ({chosen}, {figures.traffic.n_calls:,} calls)")
        if is_sent:
            from orchestration.weekly import queue_report

            plan = _plan()
            try:
                queue_report(connection, figures, channels=plan.reports, mails=plan.mails)
            except ReportError as error:
                raise UserError(str(error), code=2) from error
            connection.commit()
            _send(connection, chosen, plan=plan)


def _week(text: str | None) -> "Week":
    from reports.weekly.week import WeekError, last_full_week, parse_week

    if text is None:
        return last_full_week(datetime.now(UTC))
    try:
        return parse_week(text)
    except WeekError as error:
        raise UserError(f"--week: {error}", code=2) from error


def _plan() -> "Plan":
    """Where reports go. Raises UserError where that is nowhere, or cannot be read."""
    from orchestration.alerts.delivery.plan import current_plan

    plan = current_plan()
    if plan.problem is not None:
        raise UserError(plan.problem, code=2)
    if not plan.reports:
        raise UserError(
            "nowhere to send to: set LQO_SMTP_HOST or LQO_SLACK_WEBHOOK_URL, or write channels.yaml"
            " (docs/channels.md)",
            code=2,
        )
    return plan


def _send(connection: psycopg.Connection, week: "Week", *, plan: "Plan") -> None:
    """Send what waits, and say for each channel what became of this week's report."""
    from orchestration.weekly import report_id

    _deliver(connection, report_id(week), plan=plan)
    connection.commit()
    n_waiting = 0
    for channel, sent_at, error in connection.execute(STATE, (report_id(week),)).fetchall():
        if sent_at is not None:
            typer.echo(f"{channel}: sent {sent_at:%Y-%m-%d %H:%M:%S} UTC{f', {error}' if error else ''}")
            continue
        n_waiting += 1
        typer.echo(
            f"{channel}: not sent yet, will be tried again: {error or 'others wait before it'}", err=True
        )
    if n_waiting:
        raise typer.Exit(1)


def _deliver(connection: psycopg.Connection, event_id: UUID, *, plan: "Plan") -> None:
    """Try until each channel has the report or a try failed: one that rests does so for a second or two."""
    from orchestration.alerts.delivery.channels import build_channels
    from orchestration.alerts.delivery.sender import send_waiting

    channels = [channel for channel in build_channels(plan) if channel.name in plan.reports]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        send_waiting(connection, channels=channels)
        rows = connection.execute(STATE, (event_id,)).fetchall()
        connection.commit()
        if all(sent_at is not None or error for _, sent_at, error in rows):
            return
        time.sleep(0.2)
