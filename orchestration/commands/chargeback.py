"""`lqo chargeback`: what a month cost each project, stated for good."""

import csv
import getpass
import io
import json
from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="Monthly statements per project, closed for good.")

Month = Annotated[str, typer.Argument(help="A month, as 2026-10.")]

COLUMNS = (
    "month",
    "of_month",
    "kind",
    "project",
    "key_id",
    "provider",
    "model",
    "purpose",
    "line",
    "n_attempts",
    "n_calls",
    "n_unpriced",
    "amount_usd",
)


@app.callback()
def _chargeback() -> None:
    """Monthly statements per project, closed for good."""


@app.command()
def close(
    month: Month,
    by: Annotated[str | None, typer.Option(help="Who closes it; default the login.")] = None,
) -> None:
    """State what a month cost, once: later changes are adjustments of the next month."""
    day = _month(month)
    from orchestration.chargeback import ChargebackError, close_month

    with open_warehouse(settings_or_exit()) as connection:
        _check_marts(connection)
        try:
            done = close_month(connection, day, closed_by=by or _login())
        except ChargebackError as error:
            raise UserError(str(error)) from error
    typer.echo(f"closed {month}: {len(done.lines):,} lines, {done.amount_usd:f} USD")


@app.command()
def show(
    month: Annotated[str | None, typer.Argument(help="A month, as 2026-10; default all closed ones.")] = None,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")] = "table",
) -> None:
    """Show projects with their own cost and adjustments; an open month as it would be now."""
    from orchestration.chargeback import closed_months

    with open_warehouse(settings_or_exit()) as connection:
        months = [_month(month)] if month else closed_months(connection)
        statements = [_statement(connection, each) for each in months]
    rows = [row for statement in statements for row in _by_project(statement)]
    if form == "json":
        typer.echo(json.dumps(rows, default=str, ensure_ascii=False))
    elif not rows:
        typer.echo("no statements (`lqo chargeback close --help`)")
    else:
        _print(rows)
    broken = [f"{each.month:%Y-%m}" for each in statements if not each.is_intact]
    if broken:
        raise UserError(f"lines of {', '.join(broken)} are not those that were closed")


@app.command()
def export(
    month: Month,
    out: Annotated[Path | None, typer.Option(help="A file to write; default standard output.")] = None,
    project: Annotated[str | None, typer.Option(help="One project.")] = None,
) -> None:
    """Write a statement as CSV, every line and every digit."""
    with open_warehouse(settings_or_exit()) as connection:
        statement = _statement(connection, _month(month))
    if statement.closed_at is None:
        typer.echo(f"note: {month} is not closed; this is what it would be now", err=True)
    if not statement.is_intact:
        raise UserError(f"lines of {month} are not those that were closed")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in statement.lines:
        if project is None or line.project == project:
            is_own = line.of_month == statement.month
            given = {"month": statement.month, "kind": "charge" if is_own else "adjustment"}
            writer.writerow(_cell(given[name] if name in given else getattr(line, name)) for name in COLUMNS)
    if out is None:
        typer.echo(text.getvalue(), nl=False)
        return
    try:
        out.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out}: {error.strerror}") from error
    typer.echo(f"wrote {out}")


def _statement(connection: Any, month: date) -> Any:
    from orchestration.chargeback import ChargebackError, read_statement

    _check_marts(connection)
    try:
        return read_statement(connection, month)
    except ChargebackError as error:
        raise UserError(str(error)) from error


def _check_marts(connection: Any) -> None:
    found = connection.execute("select to_regclass('marts.cost_hourly')").fetchone()
    connection.rollback()
    if not found or found[0] is None:
        raise UserError("the marts are not built yet (`lqo up`, or `lqo backfill marts`)")


def _by_project(statement: Any) -> list[dict[str, Any]]:
    sums: defaultdict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0), Decimal(0)])
    for line in statement.lines:
        own, judging, adjusted = 0, 1, 2
        kind = adjusted if line.of_month < statement.month else judging if line.purpose == "judge" else own
        sums[line.project][kind] += line.amount_usd
    return [
        {
            "month": f"{statement.month:%Y-%m}",
            "state": "open" if statement.closed_at is None else "closed",
            "project": project,
            "product_usd": own,
            "judging_usd": judging,
            "adjustments_usd": adjusted,
            "total_usd": own + judging + adjusted,
        }
        for project, (own, judging, adjusted) in sorted(sums.items())
    ]


def _print(rows: list[dict[str, Any]]) -> None:
    shown = Table(box=None, pad_edge=False)
    for name in rows[0]:
        shown.add_column(name.removesuffix("_usd"))
    for row in rows:
        shown.add_row(*(f"{value:.4f}" if isinstance(value, Decimal) else value for value in row.values()))
    console = Console()
    (console if console.is_terminal else Console(width=10_000)).print(shown, markup=False)


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, Decimal):
        return format(value, "f")
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  a month has no zone
    except ValueError:
        raise UserError(f"{text[:20]!r} is no month such as 2026-10", code=2) from None


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
