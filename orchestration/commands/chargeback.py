"""`lqo chargeback`: what a month cost each project, stated for good."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from orchestration.commands.errors import UserError
from orchestration.commands.people import login
from orchestration.commands.spreadsheet import as_csv
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
    begins: Annotated[
        bool, typer.Option("--begin", help="Begin the books with it: months before it are never stated.")
    ] = False,
    compare_all: Annotated[
        bool, typer.Option("--all", help="Compare all months before, not only those that changed.")
    ] = False,
) -> None:
    """State what a month cost, once: later changes are adjustments of the next month."""
    day = _month(month)
    from orchestration.cost.chargeback import ChargebackError, close_month

    with open_warehouse(settings_or_exit()) as connection:
        _check_marts(connection)
        try:
            done = close_month(
                connection, day, closed_by=by or login(), begins=begins, compare_all=compare_all
            )
        except ChargebackError as error:
            raise UserError(str(error)) from error
    typer.echo(f"closed {month}: {len(done.lines):,} lines, {done.amount_usd:f} USD")
    typer.echo(f"seal {done.seal}")
    typer.echo(f"compared with what was stated: {_listed(done.compared)}")


@app.command()
def show(
    month: Annotated[str | None, typer.Argument(help="A month, as 2026-10; default all closed ones.")] = None,
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How to print it.")
    ] = "table",
) -> None:
    """Show projects with their own cost and adjustments; an open month as it would be now."""
    from orchestration.cost.chargeback import closed_months

    with open_warehouse(settings_or_exit()) as connection:
        months = [_month(month)] if month else closed_months(connection)
        statements = [_statement(connection, each) for each in months]
    rows = [row for statement in statements for row in _by_project(statement)]
    if form == "json":
        typer.echo(json.dumps(rows, default=str, ensure_ascii=False))
    elif form == "csv":
        typer.echo(as_csv(list(rows[0]) if rows else [], rows), nl=False)
    elif not rows and month:
        typer.echo(f"nothing is charged for {month} (demo calls are left out)")
    elif not rows:
        typer.echo("no month is closed (`lqo chargeback close --help`)")
    else:
        _print(rows)
        for each in statements:
            if each.closed_at is not None:
                typer.echo(
                    f"{each.month:%Y-%m}: closed {each.closed_at:%Y-%m-%d %H:%M} UTC by {each.closed_by},"
                    f" {each.amount_usd:f} USD, seal {each.seal}"
                )
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
    lines = [line for line in statement.lines if project in (None, line.project)]
    if project is not None and not lines:
        raise UserError(f"{month} has nothing of project {project[:60]!r}")
    text = as_csv(COLUMNS, (_row(statement, line) for line in lines))
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out}: {error.strerror}") from error
    typer.echo(f"wrote {out}")


def _statement(connection: Any, month: date) -> Any:
    from orchestration.cost.chargeback import ChargebackError, read_statement

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


def _row(statement: Any, line: Any) -> dict[str, Any]:
    is_own = line.of_month == statement.month
    given = {"month": statement.month, "kind": "charge" if is_own else "adjustment"}
    return {name: given[name] if name in given else getattr(line, name) for name in COLUMNS}


def _by_project(statement: Any) -> list[dict[str, Any]]:
    kinds = {"judge": 1, "replay": 2}
    sums: defaultdict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
    unpriced: defaultdict[str, int] = defaultdict(int)
    for line in statement.lines:
        is_own = line.of_month == statement.month
        sums[line.project][kinds.get(line.purpose, 0) if is_own else 3] += line.amount_usd
        unpriced[line.project] += line.n_unpriced if is_own else 0
    return [
        {
            "month": f"{statement.month:%Y-%m}",
            "state": "open" if statement.closed_at is None else "closed",
            "project": project,
            "product_usd": own,
            "judging_usd": judging,
            "replays_usd": replays,
            "adjustments_usd": adjusted,
            "total_usd": own + judging + replays + adjusted,
            "unpriced": unpriced[project],
        }
        for project, (own, judging, replays, adjusted) in sorted(sums.items())
    ]


def _print(rows: list[dict[str, Any]]) -> None:
    shown = Table(box=None, pad_edge=False)
    for name in rows[0]:
        shown.add_column(name.removesuffix("_usd"))
    for row in rows:
        shown.add_row(
            *(f"{value:z.4f}" if isinstance(value, Decimal) else str(value) for value in row.values())
        )
    console = Console()
    (console if console.is_terminal else Console(width=10_000)).print(shown, markup=False)


def _listed(months: Sequence[date]) -> str:
    return ", ".join(f"{month:%Y-%m}" for month in months) or "no month changed"


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  a month has no zone
    except ValueError:
        raise UserError(f"{text[:20]!r} is no month such as 2026-10", code=2) from None
