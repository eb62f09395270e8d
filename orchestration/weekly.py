"""A week's report: made from the marts, written as a page, and laid into the outbox once."""

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import psycopg

from orchestration.alerts.delivery.outbox import order_key, put_ready
from orchestration.alerts.delivery.plan import EMAIL
from orchestration.alerts.engine.store import put_event
from orchestration.alerts.engine.transition import NAMESPACE, Transition
from orchestration.alerts.report_message import weekly_slack_message
from reports.weekly.figures import Figures
from reports.weekly.mail import weekly_mail
from reports.weekly.page import file_name, render, write_page
from reports.weekly.reading import read_figures
from reports.weekly.week import Week

RULE = "weekly_report"


class ReportError(RuntimeError):
    """A report cannot be made or sent; the message is one line."""


def make_report(
    connection: psycopg.Connection, week: Week, *, out: Path, now: datetime | None = None
) -> tuple[Figures, Path]:
    """Read the marts and write the page to `out`, a folder or a file. Raises ReportError without marts."""
    try:
        figures = read_figures(connection, week, now=now)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction) as error:
        raise ReportError(
            "no day has been modelled: wait for a refresh, or run `lqo backfill marts --from DAY --to DAY`"
        ) from error
    return figures, write_page(figures, out / file_name(figures) if out.is_dir() else out)


def queue_report(
    connection: psycopg.Connection,
    figures: Figures,
    *,
    channels: Sequence[str],
    mails: Collection[str] = (EMAIL,),
) -> list[str]:
    """Lay the report into the outbox for these channels; returns those that did not have it yet.

    `mails` are the channels among them that are e-mail. A week is sent once a channel, however often its
    report is made. Raises ReportError for a week that is not over, whose report would take the place of the
    whole one.
    """
    if not figures.is_over:
        raise ReportError(f"{figures.week} is not over: its report would be sent half")
    event_id = report_id(figures.week)
    event = Transition(
        event_id=event_id,
        rule=RULE,
        group=str(figures.week),
        transition="report",
        severity="info",
        message=f"{figures.traffic.n_calls} calls in {figures.week}",
        happened_at=figures.made_at,
        n=figures.traffic.n_calls,
    )
    with connection.transaction():
        put_event(connection, event)
        return [
            channel
            for channel in channels
            if put_ready(
                connection,
                event_id=event_id,
                channel=channel,
                payload=_payload(figures, event_id, is_mail=channel in mails),
                at=figures.made_at,
                order_key=order_key(RULE, str(figures.week)),
            )
        ]


def report_id(week: Week) -> UUID:
    """The same whoever makes the week's report, and again."""
    return uuid5(NAMESPACE, f"{RULE}|{week}")


def _payload(figures: Figures, event_id: UUID, *, is_mail: bool) -> dict[str, Any]:
    if not is_mail:
        return weekly_slack_message(figures, event_id=str(event_id))
    mail = weekly_mail(figures)
    return {
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "attachment": {"name": file_name(figures), "content": render(figures)},
    }
