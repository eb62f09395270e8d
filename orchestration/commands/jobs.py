"""`lqo demo` and `lqo backfill`: verbs that run the warehouse's jobs."""

import os
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_database, open_warehouse, settings_or_exit
from orchestration.windows import Window, day_window


def demo(
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the summary as JSON.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Send the live calls to OpenAI (OPENAI_API_KEY).")
    ] = False,
    live_model: Annotated[str, typer.Option(help="The model that --live calls.")] = "gpt-4o-mini",
    days: Annotated[int | None, typer.Option(min=1, help="Only the newest days, for a quick look.")] = None,
) -> None:
    """The full job once, headless: traffic, proxy, landing, checks, prices, marts, an alert, a summary."""
    if live and not os.environ.get("OPENAI_API_KEY"):
        raise UserError("--live needs OPENAI_API_KEY", code=2)
    from orchestration.demo.run import run_demo

    settings = settings_or_exit()
    os.environ["LQO_HOME"] = str(settings.home)
    run_demo(settings, json_file=json_file, live_model=live_model if live else None, days=days)


def backfill(
    assets: Annotated[list[str], typer.Argument(help="Asset names, such as rule_scores or marts.")],
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First UTC day, such as 2026-11-01.")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last UTC day, inclusive.")],
    is_dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what judgements would cost; nothing is asked or paid.")
    ] = False,
) -> None:
    """Run assets over days, as the Dagster UI's backfill does; waits and shows progress."""
    from_day, to_day = _day(first, option="--from"), _day(last, option="--to")
    if from_day > to_day:
        raise UserError(f"--from {from_day} is after --to {to_day}", code=2)
    if is_dry_run:
        _estimate(assets, from_day, to_day)
        return
    from ingest.database.sibling import dagster_database
    from orchestration.backfill import backfill as run_backfill

    settings = settings_or_exit()
    os.environ["LQO_HOME"] = str(settings.home)
    with open_database(settings) as url:
        outcome = run_backfill(
            settings,
            url,
            assets,
            from_day=from_day,
            to_day=to_day,
            on_progress=_say,
            dagster_url=dagster_database(settings, url),
        )
    typer.echo(str(outcome))
    if not outcome.ok:
        raise typer.Exit(1)


def _estimate(assets: list[str], first: date, last: date) -> None:
    if {asset.rpartition("/")[2] for asset in assets} != {"judgements"}:
        raise UserError("--dry-run is for judgements alone: nothing else costs money", code=2)
    from orchestration.judging.estimating import estimate_window, lines_of

    with open_warehouse(settings_or_exit()) as connection:
        window = Window(day_window(first).start, day_window(last).end)
        for line in lines_of(estimate_window(connection, window)):
            typer.echo(line)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _day(text: str, *, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} must be a day such as 2026-11-01, not {text!r}", code=2) from None
