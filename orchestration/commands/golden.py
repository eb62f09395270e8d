"""`lqo golden`: sets that never change, judged anew every day to tell judge drift from product drift."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.commands.errors import UserError
from orchestration.commands.paths import file_or_exit
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from orchestration.calibration.golden_runs import GoldenRun

app = typer.Typer(no_args_is_help=True, help="Golden sets: what never changes, judged anew every day.")

Set = Annotated[str, typer.Argument(metavar="SET", help="The set's name.")]


@app.callback()
def _golden() -> None:
    """Golden sets: what never changes, judged anew every day."""


@app.command()
def add(
    golden_set: Set,
    calls: Annotated[list[str] | None, typer.Argument(metavar="CALL…", help="Ids of landed calls.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help='JSON Lines: {"prompt": or "conversation": [{"role", "text"}], "answer", "context",'
            ' "reference", "models", "expected"}.',
        ),
    ] = None,
) -> None:
    """Freeze calls, or the items of a file, into a set; the same again changes nothing."""
    if not calls and file is None:
        raise UserError("name calls, or a --file of items", code=2)
    from ingest.importers.sources import SourceError
    from orchestration.calibration.golden_items import GoldenError, add_items, items_of_calls, items_of_file

    path = None if file is None else file_or_exit(file)
    with open_warehouse(settings_or_exit()) as connection:
        try:
            items = items_of_calls(connection, calls or [])
            items += [] if path is None else items_of_file(path)
            n_new = add_items(connection, golden_set, items)
        except (GoldenError, SourceError) as error:
            raise UserError(str(error), code=2) from error
    typer.echo(f"{golden_set}: {n_new:,} new, {len(items) - n_new:,} there before")


@app.command("list")
def list_(golden_set: Annotated[str | None, typer.Argument(metavar="SET")] = None) -> None:
    """Show the sets, or the items of one."""
    from orchestration.calibration.golden_items import list_sets, read_items

    with open_warehouse(settings_or_exit()) as connection:
        if golden_set is not None:
            for one in read_items(connection, golden_set):
                expected = "" if one.expected is None else f"  expected {one.expected:g}"
                shown = " ".join(one.item.answer.split())[:60]
                typer.echo(f"{one.item.content_hash.hex()[:12]}{expected}  {shown}")
            return
        sets = list_sets(connection)
    for one in sets:
        typer.echo(f"{one.name}: {one.n_items:,} items, last judged {one.judged_until or 'never'}")
    if not sets:
        typer.echo("no golden sets (`lqo golden add --help`)")


@app.command()
def remove(
    golden_set: Set,
    item: Annotated[str, typer.Argument(help="Its first hex digits, as `lqo golden list SET` shows.")],
) -> None:
    """Take an item out; what judges said of it stays."""
    from orchestration.calibration.golden_items import GoldenError, remove_items

    with open_warehouse(settings_or_exit()) as connection:
        try:
            n = remove_items(connection, golden_set, starting=item)
        except GoldenError as error:
            raise UserError(str(error), code=2) from error
    if not n:
        raise UserError(f"{golden_set} has no item {item}", code=2)
    typer.echo(f"{golden_set}: {n:,} taken out")


@app.command()
def run(golden_set: Annotated[str | None, typer.Argument(metavar="SET")] = None) -> None:
    """Judge now what today lacks (the day's own run does the same), and say how the judges have moved."""
    from orchestration.calibration.golden_items import GoldenError
    from orchestration.calibration.golden_runs import run_golden_sets

    with open_warehouse(settings_or_exit()) as connection:
        try:
            runs = run_golden_sets(connection, golden_set=golden_set)
        except GoldenError as error:
            raise UserError(str(error)) from error
    for one in runs:
        typer.echo(_line(one))
    if not runs:
        typer.echo("nothing to judge: no such set, or no enabled judge")


def _line(one: "GoldenRun") -> str:
    from orchestration.calibration.wording import figure

    moved = "DRIFT" if one.drift.is_drift else "no drift shown"
    return (
        f"{one.golden_set} × {one.judge}: asked {one.n_asked:,} of {one.n_items:,}  shift"
        f" {figure(one.drift.shift)} since {one.baseline_day}  flips {figure(one.drift.flips)}"
        f"  n {one.drift.n:,}  {moved}"
    )
