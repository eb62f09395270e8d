"""`lqo sender`, and `lqo alerts test|dead|retry`: what leaves, what did not, and whether it can."""

import os
import re
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.commands.data import Format
from orchestration.commands.errors import UserError
from orchestration.commands.logs import logs_or_exit
from orchestration.commands.warehouse import open_database, open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from orchestration.alerts.delivery.channel import Channel
    from orchestration.alerts.delivery.plan import Plan

DATABASE_PAUSE = 5.0
_ID = re.compile(r"[0-9A-Fa-f-]{4,36}", re.ASCII)
COLUMNS = ("channel", "type", "per_minute", "digest_above", "n_waiting", "n_dead", "problem")


def sender(
    once: Annotated[bool, typer.Option("--once", help="Send what is due, and stop.")] = False,
) -> None:
    """Send alerts to their channels; waits for a database that is down."""
    from ingest.database.connect import DatabaseUnavailable
    from orchestration.alerts.delivery.channels import build_channels
    from orchestration.alerts.delivery.plan import current_plan
    from orchestration.alerts.delivery.sender import send_waiting
    from orchestration.alerts.delivery.service import run_sender
    from orchestration.commands.services import stop_on_signal

    settings = settings_or_exit()
    if once:
        plan = _plan_or_exit()
        with open_warehouse(settings) as connection:
            done = send_waiting(connection, channels=build_channels(plan))
        typer.echo(f"{done.n_sent} sent, {done.n_failed} failed")
        return
    if (problem := current_plan().problem) is not None:
        typer.echo(f"lqo: {problem}; alerts wait until it can be read", err=True)
    logs_or_exit()
    stop = threading.Event()
    stop_on_signal(stop)
    while not stop.is_set():
        try:
            with open_database(settings) as url:
                run_sender(url, stop=stop, environ=os.environ)
        except DatabaseUnavailable as error:
            if not error.is_transient:
                raise
            typer.echo(f"lqo: {error}; trying again", err=True)
            stop.wait(DATABASE_PAUSE)


def test(channel: Annotated[str, typer.Argument(help="A channel's name, as in channels.yaml.")]) -> None:
    """Send a message that is marked as a test, and print the receiver's answer."""
    from orchestration.alerts.delivery.channels import build_channels
    from orchestration.alerts.delivery.text import one_line
    from orchestration.alerts.delivery.trial import trial_parcel

    settings_or_exit()
    plan = _plan_or_exit()
    known = {one.name: one for one in build_channels(plan)}
    if channel not in known:
        there = ", ".join(known) or "none: see docs/channels.md"
        raise UserError(f"there is no channel {one_line(channel, most=80)}; there are {there}", code=2)
    started = time.monotonic()
    reply = known[channel].deliver(trial_parcel(channel, now=datetime.now(UTC)))
    if not reply.is_ok:
        raise UserError(f"{channel}: not taken: {reply.detail}")
    said = reply.detail or reply.answer or "no words"
    typer.echo(f"{channel}: taken, {reply.status} in {time.monotonic() - started:.2f} s: {said}")


def channels(
    form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
) -> None:
    """List the channels and what waits for each; exit 2 if channels.yaml or a rule names one wrongly."""
    from orchestration.alerts.definition.folder import alerts_folder
    from orchestration.alerts.definition.load import load_rule_set
    from orchestration.alerts.delivery.channels import build_channels, missing_secret
    from orchestration.alerts.delivery.dead import Counts, read_counts
    from orchestration.alerts.delivery.plan import find_problems
    from orchestration.commands.query import print_rows

    settings = settings_or_exit()
    if problems := find_problems():
        for problem in problems:
            typer.echo(str(problem), err=True)
        raise UserError(f"{len(problems)} fault{'' if len(problems) == 1 else 's'} in channels.yaml", code=2)
    plan = _plan_or_exit()
    there = build_channels(plan)
    with open_warehouse(settings) as connection:
        counts = read_counts(connection)
    unset = {name: missing_secret(spec) for name, spec in plan.specs.items()}
    rows: list[tuple[object, ...]] = []
    for one in there:
        held = counts.get(one.name, Counts())
        problem = unset.get(one.name) or held.last_error
        limits = (one.limits.per_minute, one.limits.digest_above)
        rows.append((one.name, _kind(one), *limits, held.n_waiting, held.n_dead, problem))
    names = {one.name for one in there}
    # One that is gone matters for as long as messages of it wait or were given up.
    left = {name: held for name, held in counts.items() if held.n_waiting or held.n_dead}
    for name in sorted(left.keys() - names):
        rows.append((name, None, None, None, left[name].n_waiting, left[name].n_dead, "is not there"))
    print_rows(COLUMNS, rows, form=form.value)
    rules = load_rule_set(alerts_folder(settings)).in_force
    wrong = [f"{rule.name}: {name}" for rule in rules for name in rule.channels if name not in names]
    if wrong:
        raise UserError(f"rules name channels that are not there: {', '.join(wrong)}", code=2)


def dead(
    form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
) -> None:
    """List the messages that were given up, with the reason."""
    from orchestration.alerts.delivery.dead import LIST_DEAD
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        print_statement(connection, LIST_DEAD, form=form.value, is_rounded=True)


def retry(
    event: Annotated[
        str | None, typer.Argument(help="One event's messages, by its id or how that begins; else all.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Only those of this channel.")] = None,
) -> None:
    """Put messages that were given up back, and try those that wait for their next try now."""
    from orchestration.alerts.delivery.dead import find_unsent, hurry, put_back

    if event is not None and not _ID.fullmatch(event):
        raise UserError(
            f"an event's id, or at least four letters of its beginning, not {event!r:.80}", code=2
        )
    with open_warehouse(settings_or_exit()) as connection:
        found = [None] if event is None else find_unsent(connection, event)
        if not found:
            raise UserError(f"nothing waits or was given up of {event}; `lqo alerts dead` lists what was")
        if len(found) > 1:
            raise UserError(f"{event} is several events; name more of its id")
        n_hurried = hurry(connection, event=found[0], channel=channel)
        n_back = put_back(connection, event=found[0], channel=channel)
    typer.echo(f"{n_back} put back, {n_hurried} of those that waited made due")


def _kind(channel: "Channel") -> str:
    return type(channel).__name__.removesuffix("Channel").lower()


def _plan_or_exit() -> "Plan":
    """Raises UserError where channels.yaml cannot be used."""
    from orchestration.alerts.delivery.plan import current_plan

    plan = current_plan()
    if plan.problem is not None:
        raise UserError(plan.problem, code=2)
    return plan
