"""`lqo projects`: what may be kept of each project's calls."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from orchestration.commands.data import Format
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_access, open_warehouse, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="What may be kept of each project's calls.")
Project = Annotated[
    str, typer.Argument(help="Its name; '*' speaks for every project without a row of its own.")
]


class Kept(StrEnum):
    full = "full"
    text = "text"
    masked = "masked"
    none = "none"


class MaskKind(StrEnum):
    email = "email"
    phone = "phone"
    card = "card"
    resident = "resident"
    iban = "iban"
    user_id = "user_id"


@app.callback()
def _projects() -> None:
    """What may be kept of each project's calls; a running proxy follows within 2 s."""


@app.command("set")
def set_(
    project: Project,
    keep: Annotated[
        Kept, typer.Option(help="full bodies, text alone, masked text and bodies, none (metadata only).")
    ],
    mask: Annotated[
        list[MaskKind] | None,
        typer.Option(help="What to mask, may be repeated; default all but user_id, which hides who asked."),
    ] = None,
    pattern: Annotated[
        list[str] | None,
        typer.Option(help="Something else to mask, NAME=REGEX in RE2's syntax; may be repeated."),
    ] = None,
) -> None:
    """Say what may be kept of a project's calls from now on; what was said before is replaced whole."""
    from ingest.access.privacy import ProjectError
    from ingest.access.project_rows import set_project
    from ingest.access.snapshot import ProjectRow

    row = ProjectRow(
        project=project,
        keep=keep.value,
        mask_kinds=tuple(dict.fromkeys(kind.value for kind in mask or ())),
        mask_patterns=_patterns(pattern or ()),
    )
    with open_access(settings_or_exit()) as connection:
        try:
            set_project(connection, row)
        except ProjectError as error:
            raise UserError(str(error), code=2) from error
    typer.echo(f"{project}: {keep.value}")


@app.command("list")
def list_(
    form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
) -> None:
    """List the projects that have said something."""
    from ingest.access.project_rows import LIST_PROJECTS
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        print_statement(connection, LIST_PROJECTS, form=form.value)


@app.command("remove")
def remove(project: Project) -> None:
    """Forget what a project said; the row '*' speaks for it then, or LQO_KEEP."""
    from ingest.access.project_rows import remove_project

    with open_access(settings_or_exit()) as connection:
        if not remove_project(connection, project):
            raise UserError(f"project {project} has no row of its own")
    typer.echo(f"{project}: no row of its own any more")


def _patterns(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, separator, pattern = each.partition("=")
        if not separator:
            raise UserError(f"a pattern is NAME=REGEX, not {each!r}", code=2)
        if name in found:
            raise UserError(f"pattern {name} is given twice", code=2)
        found[name] = pattern
    return found
