"""`lqo prompts`: prompt templates in groups of about the same meaning."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="Prompt templates (docs/prompt-patterns.md).")


@app.callback()
def _prompts() -> None:
    """Prompt templates."""


@app.command("groups")
def groups(
    days: Annotated[int, typer.Option(min=1, max=366, help="Of the last so many UTC days.")] = 7,
    most: Annotated[int, typer.Option(min=1, max=2_000, help="Of the commonest so many templates.")] = 200,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")] = "table",
) -> None:
    """Show which templates mean about the same, by an offline model (extra `meaning`)."""
    from evaluators.meaning.embedding import MissingModelError
    from orchestration.prompts.prompt_groups import group_prompts

    today = datetime.now(UTC).date()
    try:
        with open_warehouse(settings_or_exit()) as connection:
            found = group_prompts(connection, first=today - timedelta(days=days - 1), last=today, most=most)
    except MissingModelError as error:
        raise UserError(str(error)) from None
    if form == "json":
        typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False, default=str))
        return
    table = Table("oldest template", "templates", "calls", "scored", "failed")
    for each in found:
        counts = (each.n_templates, each.n_calls, each.n_scored, each.n_failed)
        table.add_row(each.template[:80], *map(str, counts))
    Console().print(table)
