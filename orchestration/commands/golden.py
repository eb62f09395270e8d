"""`lqo golden`: sets that never change, judged anew every day to tell judge drift from product drift."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.commands.errors import UserError
from orchestration.commands.paths import file_or_exit
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from orchestration.calibration.golden_runs import GoldenRun

app = typer.Typer(no_args_is_help=True, help="Golden sets: what never changes, judged anew every day.")

CAUSES = {
    "none": "nothing has changed beyond chance",
    "judge": "the judge has changed, the product has not been shown to",
    "product": "the product has changed, the judge has not been shown to",
    "both": "both have changed",
    "unknown": "nobody knows: fewer than 20 golden items were judged in both spans, or too few calls",
}

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


@app.command()
def explain(
    evaluator: Annotated[str, typer.Argument(help="A judge's evaluator, such as helpfulness.")],
    old: Annotated[str, typer.Option(metavar="DAY[..DAY]", help="The days before.")],
    new: Annotated[str, typer.Option(metavar="DAY[..DAY]", help="The days after.")],
) -> None:
    """Say whose a change of scores is: the product's, the judge's, both, or nobody knows."""
    from orchestration.calibration.attribution import explain_change
    from orchestration.calibration.wording import figure

    spans = _span(old, option="--old"), _span(new, option="--new")
    with open_warehouse(settings_or_exit()) as connection:
        try:
            found = explain_change(connection, evaluator, old=spans[0], new=spans[1])
        except LookupError as error:
            raise UserError(str(error), code=2) from error
    typer.echo(
        f"{evaluator} {found.version.version}: mean score {figure(found.change)} (n {found.change.n:,})"
    )
    typer.echo(f"  on golden sets {figure(found.judge.shift)} (n {found.judge.n:,})")
    typer.echo(f"  of the product {figure(found.attribution.product)}")
    typer.echo(f"  {CAUSES[found.attribution.cause]}")


def _span(text: str, *, option: str) -> tuple[date, date]:
    first, _, last = text.partition("..")
    try:
        days = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        raise UserError(f"{option} must be DAY or DAY..DAY, not {text!r:.60}", code=2) from None
    if days[0] > days[1]:
        raise UserError(f"{option}: {days[0]} is after {days[1]}", code=2)
    return days
