"""`lqo prices`: the dated price book."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer

from orchestration.commands import price_lists
from orchestration.commands.errors import UserError
from orchestration.commands.paths import file_or_exit
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from evaluators.pricing.rejects import PriceFile
    from evaluators.pricing.rows import PriceRow
    from orchestration.cost.price_book import PriceImport

app = typer.Typer(no_args_is_help=True, help="The dated price book.")
app.command("list")(price_lists.list_)
app.command("history")(price_lists.history)

SHOWN = 20


@app.callback()
def _prices() -> None:
    """The dated price book."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV or YAML of prices (docs/prices.md); - reads a CSV.")],
    source: Annotated[
        str | None, typer.Option(help="Where the prices come from; default the file's name.")
    ] = None,
) -> None:
    """Add prices; a corrected price supersedes the old one, which stays on record."""
    prices, name = _read(file)
    with open_warehouse(settings_or_exit()) as connection:
        done = _import(connection, prices.rows, source=source or name)
    _say(done, n_rejected=len(prices.rejects))
    _say_rejects(prices)
    if prices.rejects and not prices.rows:
        raise UserError("no line of the file is a price; the book is as it was")


@app.command("set")
def set_(  # noqa: PLR0917
    model: Annotated[str, typer.Argument(help="The model as calls name it; with a * at its end, a prefix.")],
    bucket: Annotated[str, typer.Argument(help="input_uncached, cache_read, output_text … (docs/prices.md)")],
    usd_per_million: Annotated[str, typer.Argument(help="USD per million tokens; 0 is free.")],
    valid_from: Annotated[str, typer.Option("--from", help="First day or time that it holds.")],
    valid_to: Annotated[
        str | None,
        typer.Option("--to", help="First day or time that it no longer does; default: the next price."),
    ] = None,
    provider: Annotated[str | None, typer.Option(help="As calls name it; default any.")] = None,
    service_tier: Annotated[
        str, typer.Option("--tier", help="standard, batch, flex, priority …")
    ] = "standard",
    above: Annotated[int, typer.Option(min=0, help="For requests of more input tokens than this.")] = 0,
    source: Annotated[str, typer.Option(help="Where the price comes from.")] = "lqo prices set",
) -> None:
    """Set one price; what it corrects stays on record."""
    from evaluators.pricing.files import price_row

    cells = {
        "provider": provider,
        "model": model.removesuffix("*"),
        "match": "prefix" if model.endswith("*") else "exact",
        "bucket": bucket,
        "usd_per_million": usd_per_million,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "service_tier": service_tier,
        "min_input_tokens": str(above),
        "source": source,
    }
    try:
        row = price_row(cells, default_source=source, recorded_at=datetime.now(UTC))
    except ValueError as error:
        raise UserError(str(error), code=2) from error
    with open_warehouse(settings_or_exit()) as connection:
        done = _import(connection, [_until_next(connection, row)], source=source)
    _say(done, n_rejected=0)


@app.command("diff")
def diff(
    file: Annotated[
        Path | None, typer.Argument(help="What importing this file would change; nothing is written.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="What the book has learned since then, a day or time.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="… up to then; default now.")] = None,
    form: price_lists.Form = price_lists.Format.TABLE,
) -> None:
    """Compare the book with a file, or with what it said before."""
    from evaluators.pricing.changes import changes
    from orchestration.cost.price_book import known_rows

    if (file is None) == (since is None):
        raise UserError("name a file, or --since a day", code=2)
    prices = None if file is None else _read(file)[0]
    start, end = price_lists.moment(since), price_lists.moment(until)
    with open_warehouse(settings_or_exit()) as connection:
        if prices is None:
            found = changes(known_rows(connection, known_at=start), known_rows(connection, known_at=end))
        else:
            held = known_rows(connection)
            found = changes(held, prices.rows, is_complete=False)
            _say_overruled(held, prices.rows)
    price_lists.print_changes(found, form=form)
    if prices is not None:
        _say_rejects(prices)


def _read(file: Path) -> "tuple[PriceFile, str]":
    from evaluators.pricing.files import PriceFileError, read_price_file

    file = file_or_exit(file)
    try:
        return read_price_file(file, recorded_at=datetime.now(UTC)), file.name
    except PriceFileError as error:
        raise UserError(str(error)) from error


def _import(connection: psycopg.Connection, rows: "list[PriceRow]", *, source: str) -> "PriceImport":
    from orchestration.cost.price_book import import_prices, known_rows

    with connection.transaction():
        held = known_rows(connection)
    _say_overruled(held, rows)
    return import_prices(connection, rows, source=source)


def _until_next(connection: psycopg.Connection, row: "PriceRow") -> "PriceRow":
    """The row, ended where the next price of the same thing begins if no end was given."""
    from dataclasses import replace

    from evaluators.pricing.changes import overruled
    from orchestration.cost.price_book import known_rows

    with connection.transaction():
        later = [old.valid_from for _, old in overruled(known_rows(connection), [row])]
    if row.valid_to is not None or not later:
        return row
    typer.echo(f"it holds until {min(later):%Y-%m-%d %H:%M}, when the next price begins", err=True)
    return replace(row, valid_to=min(later))


def _say(done: "PriceImport", *, n_rejected: int) -> None:
    typer.echo(
        f"added {done.n_added:,}  unchanged {done.n_unchanged:,}  superseded {done.n_superseded:,}"
        f"  rejected {n_rejected:,}  price version {done.price_version}"
    )
    if done.n_hours_marked:
        typer.echo(
            f"{done.n_hours_marked:,} hours with calls will be priced again by the next refreshes"
            " (`lqo up` makes them; without it: lqo backfill charges marts)"
        )


def _say_overruled(held: "list[PriceRow]", rows: "list[PriceRow]") -> None:
    from evaluators.pricing.changes import overruled

    found = overruled(held, rows)
    for new, old in found[:SHOWN]:
        typer.echo(
            f"  note: {new.model} {new.bucket} from {new.valid_from:%Y-%m-%d} also takes the place of"
            f" ${_plain(old.usd_per_million)} from {old.valid_from:%Y-%m-%d}; give it a valid_to if not",
            err=True,
        )
    if len(found) > SHOWN:
        typer.echo(f"  … and {len(found) - SHOWN:,} more", err=True)


def _say_rejects(prices: "PriceFile") -> None:
    for reject in prices.rejects[:SHOWN]:
        # What is no name may hold orders to a terminal.
        model = reject.model if reject.model.isprintable() else repr(reject.model)
        typer.echo(f"  line {reject.line}: {model}: {reject.reason}", err=True)
    if len(prices.rejects) > SHOWN:
        typer.echo(f"  … and {len(prices.rejects) - SHOWN:,} more", err=True)


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
