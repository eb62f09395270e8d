"""`lqo labels`: what people say of calls, and how far the judges agree with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.commands.errors import UserError
from orchestration.commands.paths import file_or_exit
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from orchestration.calibration.calibrations import Calibrated
    from orchestration.calibration.labels import LabelImport

app = typer.Typer(no_args_is_help=True, help="Human labels, and how far judges agree with them.")


@app.callback()
def _labels() -> None:
    """Human labels, and how far judges agree with them."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or JSON Lines; - is standard input.")],
    evaluator: Annotated[
        str | None,
        typer.Option(help="What the labels are about, where rows do not say: a judge's or rule's name."),
    ] = None,
    rater: Annotated[str | None, typer.Option(help="Who labelled, where rows do not say.")] = None,
) -> None:
    """Land labels of calls, then compare the evaluators they are about with them; safe to run again."""
    file = file_or_exit(file)
    from ingest.importers.sources import SourceError
    from orchestration.calibration.label_files import LabelFileError, read_rows
    from orchestration.calibration.labels import import_labels
    from orchestration.calibration.recalibration import recalibrate

    with open_warehouse(settings_or_exit()) as connection:
        try:
            done = import_labels(
                connection, read_rows(file), source=file.name, evaluator=evaluator, rater=rater
            )
        except (LabelFileError, SourceError) as error:
            raise UserError(f"{file}: {error}", code=2) from error
        _print_import(done)
        for one in recalibrate(connection, evaluators=done.evaluators, days=done.days):
            typer.echo(_line(one))
    if done.n_rejected and not (done.n_landed or done.n_unchanged):
        raise typer.Exit(1)


@app.command()
def status() -> None:
    """Compare all judges, and rules with labels, with people now; print state, figures and reasons."""
    from orchestration.calibration.calibrations import calibrate_versions

    with open_warehouse(settings_or_exit()) as connection:
        found = calibrate_versions(connection)
    if not found:
        typer.echo("no judges, and no labels (`lqo labels import --help`)")
    for one in found:
        typer.echo(_line(one))


def _print_import(done: "LabelImport") -> None:
    typer.echo(f"landed {done.n_landed:,}  unchanged {done.n_unchanged:,}  rejected {done.n_rejected:,}")
    for reason, n in done.reasons.most_common():
        typer.echo(f"  {reason}: {n:,}", err=True)
    for line in done.shown:
        typer.echo(f"  {line}", err=True)
    if done.n_rejected > len(done.shown):
        typer.echo(f"  … and {done.n_rejected - len(done.shown):,} more", err=True)


def _line(one: "Calibrated") -> str:
    from orchestration.calibration.wording import figure

    overall = one.overall
    head = f"{one.version.evaluator} {one.version.version}: {overall.standing.state}"
    why = f"  ({'; '.join(overall.standing.reasons)})" if overall.standing.reasons else ""
    agreed, kappa = figure(overall.agreement.raw), figure(overall.agreement.kappa)
    return f"{head}  agreement {agreed}  kappa {kappa}  n {overall.n:,}{why}"
