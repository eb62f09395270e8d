"""`lqo import`, `migrate`, `sql`, `db-url`, `status`, `doctor`: verbs about the data and where it is."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.commands.errors import UserError
from orchestration.commands.paths import files_or_exit
from orchestration.commands.warehouse import open_database, settings_or_exit

if TYPE_CHECKING:
    from ingest.importers.summary import ImportSummary
    from orchestration.versions.imported import ImportedScores


class Format(StrEnum):
    """How `lqo sql` prints."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files, or folders of them: JSONL, JSON, Parquet; plain or gzip, xz, zstd; - is standard"
            " input."
        ),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="canonical (call records), langfuse, helicone, litellm, openai or otlp; found out when not"
            " given.",
        ),
    ] = None,
) -> None:
    """Import logged calls, also other tools' exports, with their scores; safe to run again.

    What is already there stays as it is. See docs/importing.md.
    """
    files = [files_or_exit(path) for path in files]
    from ingest.importers.files import import_files
    from ingest.importers.summary import ImportFailedError
    from orchestration.commands.progress import import_progress
    from orchestration.versions.imported import ImportedScores

    settings = settings_or_exit()
    scores = ImportedScores()
    with open_database(settings) as url, import_progress(files) as progress:
        try:
            summary = import_files(
                files, settings=settings, url=url, format=format_, progress=progress, scores=scores
            )
        except ImportFailedError as error:
            _print_import(error.summary, scores)
            raise UserError(str(error)) from error
        except ValueError as error:
            raise UserError(str(error), code=2) from error
    _print_import(summary, scores)


def migrate() -> None:
    """Bring the schema to the newest revision."""
    from ingest.database.revision import current_revision

    with open_database(settings_or_exit()) as url:
        typer.echo(f"schema at revision {current_revision(url)}")


def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement.")],
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="How to print the rows. In JSON, numeric, NaN and Infinity are strings, and a second column"
            " `a` is `a_2`.",
        ),
    ] = Format.TABLE,
) -> None:
    """Run one read-only query as the reader role (bodies of calls are not readable by it)."""
    from orchestration.commands.query import print_query

    settings = settings_or_exit()
    with open_database(settings, migrated=False) as url:
        print_query(query, settings=settings, url=url, form=format_.value)


def db_url() -> None:
    """Print a libpq URL of the warehouse; `psql "$(lqo db-url)"` opens it while `lqo up` runs."""
    with open_database(settings_or_exit(), migrated=False) as url:
        typer.echo(url.libpq())


def status() -> None:
    """What runs, how much has landed, what waits."""
    from orchestration.commands.health import print_status

    print_status(settings_or_exit())


def doctor() -> None:
    """Check everything the stack stands on; exit 1 when something is wrong."""
    from orchestration.commands.health import run_doctor

    raise typer.Exit(run_doctor(settings_or_exit()))


def _print_import(summary: "ImportSummary", scores: "ImportedScores") -> None:
    rate = (summary.landed + summary.already_there) / max(summary.seconds, 1e-9)
    typer.echo(
        f"landed {summary.landed:,}  already there {summary.already_there:,}  rejected {summary.rejected:,}"
        f"  in {summary.seconds:.1f} s ({rate:,.0f} calls/s)"
    )
    if summary.passed_over:
        typer.echo(f"passed over {summary.passed_over:,} that are no calls of a model")
    if summary.scores.total:
        said = summary.scores
        typer.echo(
            f"scores and feedback: landed {said.landed:,}  already there {said.already_there:,}"
            f"  rejected {said.rejected:,}"
        )
    for version in scores.drafts():
        typer.echo(f"{version} stays out of the lines until `lqo evaluators promote {version} --from DAY`")
    if summary.rejects_file is not None:
        typer.echo(f"rejects and their reasons: {summary.rejects_file}")
