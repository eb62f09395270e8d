"""`lqo invoices`: what providers bill, beside what we charged."""

import json
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from orchestration.commands.errors import UserError
from orchestration.commands.paths import file_or_exit
from orchestration.commands.people import login
from orchestration.commands.spreadsheet import as_csv
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="Invoices of providers, and whether they match our charges.")

Form = Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="How to print it.")]

COLUMNS = (
    "provider",
    "day",
    "model",
    "key_id",
    "verdict",
    "billed_usd",
    "charged_usd",
    "gap_usd",
    "calls_not_seen_usd",
    "retries_usd",
    "unpriced_usd",
    "cache_usd",
    "tier_usd",
    "fees_usd",
    "time_zone_usd",
    "rounding_usd",
    "unexplained_usd",
)

NONE = ("", "0.0000")


@app.callback()
def _invoices() -> None:
    """Invoices of providers, and whether they match our charges."""


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="A CSV of ours, or the pages of a provider's export.")],
    account: Annotated[str, typer.Option(help="Which account at the provider, if several.")] = "",
    time_zone: Annotated[
        str | None, typer.Option(help="Whose days a CSV of ours is of, as America/New_York; default UTC.")
    ] = None,
    tolerance: Annotated[str, typer.Option(help="Share that may stay unexplained, as 2% or 0.02.")] = "2%",
    is_partial: Annotated[
        bool, typer.Option("--partial", help="Import the good lines of a file that has bad ones.")
    ] = False,
) -> None:
    """Keep an invoice line by line; the same one twice is one, a later one of the same days replaces them."""
    paths = [file_or_exit(file) for file in files]
    share = _share(tolerance)
    from evaluators.invoices.lines import InvoiceFileError
    from evaluators.invoices.read import read_invoice
    from orchestration.cost.invoices import InvoiceError, import_invoice

    try:
        reading = read_invoice(paths, time_zone=time_zone)
    except InvoiceFileError as error:
        raise UserError(str(error)) from error
    for reject in reading.rejects[:20]:
        typer.echo(f"  line {reject.line}: {reject.reason}", err=True)
    if reading.rejects and not (is_partial and reading.lines):
        raise UserError(f"{len(reading.rejects):,} bad lines, nothing imported (--partial takes the others)")
    if not reading.lines:
        raise UserError(f"no line about models among {reading.n_other:,}")
    with open_warehouse(settings_or_exit()) as connection:
        source = ", ".join(path.name for path in paths)[:300]
        try:
            done = import_invoice(connection, reading, source=source, account=account, tolerance=share)
        except InvoiceError as error:
            raise UserError(str(error)) from error
    for note in reading.notes:
        typer.echo(f"note: {note}", err=True)
    if done.is_known:
        outdated = f" ({done.n_outdated:,} of them are replaced by later invoices)" if done.n_outdated else ""
        typer.echo(f"invoice {done.invoice_id} has these lines already{outdated}; nothing changed")
        return
    typer.echo(
        f"invoice {done.invoice_id}: {len(reading.lines):,} lines  replaced {done.n_superseded:,}"
        f"  rejected {len(reading.rejects):,}  other services {reading.n_other:,}"
    )


@app.command("list")
def list_(form: Form = "table") -> None:
    """Show all invoices, the newest first."""
    from orchestration.cost.invoices import list_invoices

    with open_warehouse(settings_or_exit()) as connection:
        found = list_invoices(connection)
    rows = [
        {
            "invoice": each.invoice_id,
            "from": each.first_day,
            "to": each.last_day,
            "format": each.format,
            "account": each.account,
            "lines": each.n_lines,
            "current": "withdrawn" if each.withdrawn_at else each.n_current,
            "usd": each.amount_usd,
            "source": each.source,
        }
        for each in found
    ]
    _print(rows, form=form, nothing="no invoices (`lqo invoices import --help`)")


@app.command()
def withdraw(
    invoice: Annotated[int, typer.Argument(help="Its number (`lqo invoices list`).")],
    by: Annotated[str | None, typer.Option(help="Who takes it back; default the login.")] = None,
) -> None:
    """Take back an invoice that was imported by mistake; what it had replaced counts again."""
    from orchestration.cost.invoices import InvoiceError, withdraw_invoice

    with open_warehouse(settings_or_exit()) as connection:
        try:
            n_restored = withdraw_invoice(connection, invoice, by=by or login())
        except InvoiceError as error:
            raise UserError(str(error)) from error
    typer.echo(f"invoice {invoice} is withdrawn; {n_restored:,} older lines count again")


@app.command()
def key(
    provider: Annotated[str, typer.Argument(help="Whose invoices: openai, anthropic …")],
    theirs: Annotated[str, typer.Argument(help="The key as its invoices name it.")],
    ours: Annotated[str, typer.Argument(help="The key_id of our calls (`lqo keys list`).")],
) -> None:
    """Say which of our keys a key of a provider's invoices is, so that keys can be told apart."""
    from orchestration.cost.invoices import name_key

    with open_warehouse(settings_or_exit()) as connection:
        name_key(connection, provider=provider.lower(), theirs=theirs, ours=ours)
    typer.echo(f"{provider}: {theirs} is {ours}")


@app.command()
def show(
    month: Annotated[str | None, typer.Option(help="One month, as 2026-10.")] = None,
    provider: Annotated[str | None, typer.Option(help="One provider.")] = None,
    is_open: Annotated[bool, typer.Option("--open", help="Only what does not match.")] = False,
    form: Form = "table",
) -> None:
    """Show what is billed beside what we charged, and why it differs; exit 1 if anything is unexplained."""
    given: dict[str, Any] = {"month": _month(month), "provider": _provider(provider), "is_open": is_open}
    with open_warehouse(settings_or_exit()) as connection:
        rows = _reconciled(connection, given)
    _print(rows, form=form, nothing="nothing to compare (`lqo invoices import --help`)")
    n_open = sum(row["verdict"] in ("not matched", "no price") for row in rows)
    if form == "table" and rows:
        matched = sum(row["verdict"] == "matched" for row in rows)
        explained = sum(row["verdict"] == "explained" for row in rows)
        billed = sum(((row["billed_usd"] or Decimal(0)) for row in rows), Decimal(0))
        charged = sum((row["charged_usd"] for row in rows), Decimal(0))
        unexplained = sum(((row["unexplained_usd"] or Decimal(0)) for row in rows), Decimal(0))
        verdict = "NOT MATCHED" if n_open else "MATCHED" if not explained else "EXPLAINED"
        typer.echo(
            f"{verdict}: billed {billed:.4f}  charged {charged:.4f}  gap {billed - charged:z.4f}"
            f"  unexplained {unexplained:z.4f} USD;"
            f" {matched:,} matched, {explained:,} explained, {n_open:,} not"
        )
    if n_open:
        raise typer.Exit(1)


@app.command()
def page(
    month: Annotated[str | None, typer.Option(help="One month, as 2026-10; default all.")] = None,
    provider: Annotated[str | None, typer.Option(help="One provider.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A file or a folder; default: reports/ in LQO_HOME.")
    ] = None,
) -> None:
    """Write a page that says matched or not, and why: one HTML file, to open, print or send."""
    from reports.invoices.figures import read_invoices
    from reports.invoices.page import write_page

    chosen, settings = _month(month), settings_or_exit()
    if out is None:
        out = settings.reports
        out.mkdir(parents=True, exist_ok=True)
    elif not out.is_dir() and not out.absolute().parent.is_dir():
        raise UserError(f"there is no folder {out.absolute().parent}", code=2)
    path = out / f"invoices{f'-{chosen:%Y-%m}' if chosen else ''}.html" if out.is_dir() else out
    with open_warehouse(settings) as connection:
        _check_marts(connection)
        figures = read_invoices(connection, month=chosen, provider=_provider(provider))
    try:
        write_page(figures, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
    typer.echo(f"{path} ({figures.verdict})")


def _reconciled(connection: Any, given: dict[str, Any]) -> list[dict[str, Any]]:
    _check_marts(connection)
    # Bounds that are always given: a range of days keeps the view from comparing all of history.
    query = f"""
        select {", ".join(COLUMNS)}
        from marts.invoice_reconciliation
        where day >= coalesce(%(month)s::date, '-infinity')
            and day < coalesce((%(month)s::date + interval '1 month')::date, 'infinity')
            and provider = coalesce(%(provider)s::text, provider)
            and (not %(is_open)s or verdict in ('not matched', 'no price'))
        order by provider, day, model, key_id
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, given).fetchall()


def _check_marts(connection: Any) -> None:
    found = connection.execute("select to_regclass('marts.invoice_reconciliation')").fetchone()
    connection.rollback()
    if not found or found[0] is None:
        raise UserError("the marts are not built yet (`lqo up`, or `lqo backfill`)")


def _provider(text: str | None) -> str | None:
    """Providers are kept in small letters."""
    return None if text is None else text.lower()


def _share(text: str) -> Decimal:
    try:
        share = Decimal(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except InvalidOperation:
        share = Decimal("NaN")
    if not share.is_finite() or not 0 <= share < 1:
        raise UserError(f"tolerance {text[:20]!r} is no share such as 2% or 0.02", code=2)
    return share


def _month(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  a month has no zone
    except ValueError:
        raise UserError(f"{text[:20]!r} is no month such as 2026-10", code=2) from None


def _print(rows: list[dict[str, Any]], *, form: str, nothing: str) -> None:
    if form == "json":
        typer.echo(json.dumps(rows, default=str, ensure_ascii=False))
        return
    if form == "csv":
        typer.echo(as_csv(list(rows[0]) if rows else [], rows), nl=False)
        return
    if not rows:
        typer.echo(nothing)
        return
    shown = Table(box=None, pad_edge=False)
    # A cause that is nowhere needs no column.
    names = [
        each
        for each in rows[0]
        if not each.endswith("_usd") or any(_cell(row[each]) not in NONE for row in rows)
    ]
    for each in names:
        shown.add_column(each.removesuffix("_usd").replace("_", " "))
    for row in rows:
        shown.add_row(*(_cell(row[each]) for each in names))
    console = Console()
    (console if console.is_terminal else Console(width=10_000)).print(shown, markup=False)


def _cell(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:z.4f}"
    return "" if value is None else str(value)
