"""`lqo alerts`: what fires, what it was, and what people do about it. Its verbs are put together here."""

from typing import Annotated

import typer

from ingest.settings import Settings
from orchestration.commands import alert_actions, alert_backtest, alert_delivery, alert_rules
from orchestration.commands.data import Format
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

MOST_DAYS = 3650

app = typer.Typer(no_args_is_help=True, help="Alerts: what fires, its story, acknowledge, silence, mute.")
Form = Annotated[Format, typer.Option("--format", help="table, csv or json.")]


@app.callback()
def _alerts() -> None:
    """Alerts: what fires, its story, acknowledge, silence, mute."""


@app.command("list")
def list_(form: Form = Format.TABLE) -> None:
    """List what fires now or is about to: since when, how bad, whose, who has it, what holds it back."""
    from orchestration.alerts.actions.story import LIST_OPEN
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        print_statement(connection, LIST_OPEN, form=form.value, is_rounded=True)


@app.command()
def show(
    alert: alert_actions.AlertName, group: alert_actions.GroupName = None, form: Form = Format.TABLE
) -> None:
    """Tell an alert's story: its state, events, messages and their delivery, what people did."""
    from orchestration.alerts.actions.story import tell
    from orchestration.commands.query import print_rows

    settings = settings_or_exit()
    with open_warehouse(settings) as connection:
        found = alert_actions.find(connection, settings, alert, group=group)
        story = tell(connection, found)
    if form is Format.JSON:
        lines = [dict(zip(story.names, row, strict=True)) for row in story.rows]
        print_rows(["alert", "story"], [(dict(story.now), lines)], form=form.value)
        return
    if form is Format.TABLE:
        print_rows(
            ["of the alert", "now"],
            [*_about(settings, found.rule), *((name, value) for name, value in story.now.items())],
            form="table",
            is_rounded=True,
        )
        typer.echo()
    print_rows(story.names, story.rows, form=form.value, is_rounded=True)


def _about(settings: Settings, name: str) -> list[tuple[str, str]]:
    """What the rule means and what to do, where a file defines it: the figures alone do not say."""
    from orchestration.alerts.definition.folder import alerts_folder
    from orchestration.alerts.definition.load import load_rule_set

    for one in load_rule_set(alerts_folder(settings)).rules:
        if one.rule.name == name:
            return [("what it means", one.rule.summary), ("what to do", one.rule.runbook or "")]
    return []


@app.command()
def history(
    days: Annotated[int, typer.Option(help="How many days back.", min=1, max=MOST_DAYS)] = 7,
    form: Form = Format.TABLE,
) -> None:
    """List what happened and what people did about it, newest first."""
    from orchestration.alerts.actions.story import history as read_history
    from orchestration.commands.query import print_rows

    with open_warehouse(settings_or_exit()) as connection:
        names, rows = read_history(connection, days=days)
    print_rows(names, rows, form=form.value, is_rounded=True)


for verb in (
    alert_actions.ack,
    alert_actions.silence,
    alert_actions.silences,
    alert_actions.unsilence,
    alert_actions.mute,
    alert_actions.mutes,
    alert_actions.unmute,
    alert_delivery.channels,
    alert_delivery.test,
    alert_delivery.dead,
    alert_delivery.retry,
    alert_rules.check,
    alert_rules.rules,
    alert_backtest.backtest,
):
    app.command()(verb)
