"""`lqo alerts`: silences, which hold messages of alerts back."""

import getpass
from typing import Annotated
from uuid import UUID

import typer

from orchestration.commands import access_words as words
from orchestration.commands.data import Format
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="Silences of alerts.")


@app.callback()
def _alerts() -> None:
    """Silences of alerts."""


@app.command()
def silence(
    until: Annotated[str, typer.Option(help="A span (2h, 3d) or a time (2027-01-31T12:00, UTC).")],
    reason: Annotated[str, typer.Option(help="Why; whoever looks for the alert reads it.")],
    rule: Annotated[str, typer.Option(help="The alert rule; '*' is every one.")] = "*",
    group: Annotated[str, typer.Option(help="What it is about, as a model; '*' is everything.")] = "*",
    by: Annotated[str | None, typer.Option(help="Who asks for it; default your login.")] = None,
) -> None:
    """Hold back what alerts say from now on. What they said meanwhile is sent when the silence ends."""
    from orchestration.alerts.silences import add_silence

    ends_at = words.moment(until, option="--until")
    reason = words.name(reason, option="--reason")
    rule, group = words.name(rule, option="--rule"), words.name(group, option="--group")
    who = words.name(getpass.getuser() if by is None else by, option="--by")
    with open_warehouse(settings_or_exit()) as connection:
        silence_id = add_silence(
            connection, ends_at=ends_at, reason=reason, created_by=who, rule=rule, group=group
        )
    typer.echo(f"{silence_id}: {rule} of {group} is silent until {ends_at:%Y-%m-%d %H:%M} UTC")


@app.command()
def silences(
    form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
) -> None:
    """List the silences, and those that ended in the last 30 days."""
    from orchestration.alerts.silences import LIST_SILENCES
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        print_statement(connection, LIST_SILENCES, form=form.value)


@app.command()
def unsilence(silence_id: Annotated[UUID, typer.Argument(help="The silence's id.")]) -> None:
    """End a silence now."""
    from orchestration.alerts.silences import end_silence

    with open_warehouse(settings_or_exit()) as connection:
        if not end_silence(connection, silence_id):
            raise UserError(f"there is no open silence {silence_id}")
    typer.echo(f"{silence_id} is over")
