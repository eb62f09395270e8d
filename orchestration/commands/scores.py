"""`lqo scores`: recorded scores from elsewhere."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestration.commands.errors import UserError
from orchestration.commands.paths import file_or_exit
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="Recorded scores from elsewhere.")
SHOWN = 20


@app.callback()
def _scores() -> None:
    """Recorded scores from elsewhere: each version of a judge is one of its own here."""


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="JSONL or CSV, plain or compressed (docs/versions.md); - is standard input."),
    ],
    *,
    evaluator: Annotated[str, typer.Option(help="What is scored, such as helpfulness.")],
    version: Annotated[str, typer.Option(help="Which judge exactly, such as gpt-4o-2024-08-06.")],
    kind: Annotated[Literal["external", "judge", "human"], typer.Option(help="Who judged.")] = "external",
    form: Annotated[
        Literal["jsonl", "csv"] | None, typer.Option("--format", help="Default by the file's name.")
    ] = None,
) -> None:
    """Land scores of known calls under a version; safe to run again.

    The first version of an evaluator is current at once; every other is a draft until it is promoted.
    """
    file = file_or_exit(file)
    from ingest.importers.lines import split_lines
    from ingest.importers.sources import SourceError, read_chunks
    from orchestration.versions.recorded import land_recorded
    from orchestration.versions.recorded_rows import read_rows
    from orchestration.versions.registry import VersionError, register_version

    how = form or ("csv" if ".csv" in file.name.lower() else "jsonl")
    with open_warehouse(settings_or_exit()) as connection:
        try:
            row = register_version(connection, evaluator=evaluator, version=version, kind=kind)
            lines = split_lines(read_chunks(file, on_read=lambda _size: None))
            done = land_recorded(connection, row, read_rows(lines, form=how))
        except (VersionError, ValueError) as error:
            raise UserError(
                f"{file}: {error}" if not isinstance(error, VersionError) else str(error), code=2
            ) from error
        except SourceError as error:
            raise UserError(f"{file}: {error}; what was readable has landed, run it again") from error
    typer.echo(
        f"{row} ({row.status}): landed {done.n_landed:,}  already there {done.n_already_there:,}"
        f"  rejected {done.n_rejected:,}"
    )
    for reason, count in done.reasons.most_common():
        typer.echo(f"  {count:,} × {reason}", err=True)
    for reject in done.rejects[:SHOWN]:
        typer.echo(f"  line {reject.line}: {reject.reason}", err=True)
    if done.n_rejected > SHOWN:
        typer.echo(f"  … and {done.n_rejected - SHOWN:,} more", err=True)
    if row.status == "draft":
        typer.echo(f"it stays out of the lines until `lqo evaluators promote {row} --from DAY`")
