"""`lqo prices`: the dated price book."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.errors import UserError
from orchestration.commands.paths import file_or_exit
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="The dated price book.")


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
    file = file_or_exit(file)
    from evaluators.pricing.files import PriceFileError, read_price_file
    from orchestration.price_book import import_prices

    try:
        prices = read_price_file(file, recorded_at=datetime.now(UTC))
    except PriceFileError as error:
        raise UserError(str(error)) from error
    with open_warehouse(settings_or_exit()) as connection:
        done = import_prices(connection, prices.rows, source=source or file.name)
    typer.echo(
        f"added {done.n_added:,}  unchanged {done.n_unchanged:,}  superseded {done.n_superseded:,}"
        f"  rejected {len(prices.rejects):,}  price version {done.price_version}"
    )
    for reject in prices.rejects[:20]:
        typer.echo(f"  line {reject.line}: {reject.model}: {reject.reason}", err=True)
    if len(prices.rejects) > 20:
        typer.echo(f"  … and {len(prices.rejects) - 20:,} more", err=True)
