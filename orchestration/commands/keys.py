"""`lqo keys`: who may come in through the proxy."""

from typing import Annotated

import typer

from orchestration.commands import access_words as words
from orchestration.commands.data import Format
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_access, open_warehouse, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="Keys of the proxy (LQO_AUTH=keys).")
Key = Annotated[str, typer.Argument(help="The key's id (key_…) or its shown prefix (lqo_…).")]
Expires = Annotated[str | None, typer.Option(help="A span (90d) or a day (2027-01-31, UTC).")]


@app.callback()
def _keys() -> None:
    """Keys of the proxy."""


@app.command()
def create(
    owner: Annotated[str, typer.Option(help="Who answers for the key: a person, a team, a service.")],
    project: Annotated[str | None, typer.Option(help="Its calls count as this project's.")] = None,
    environment: Annotated[str | None, typer.Option(help="Its calls count as this environment's.")] = None,
    models: Annotated[
        str | None, typer.Option(help="The models it may use, by commas; all if absent.")
    ] = None,
    expires: Expires = None,
) -> None:
    """Make a key. It is shown once, alone on standard output; only its hash is kept."""
    from ingest.access.key_rows import create_key

    allowed = None if models is None else words.names(models, option="--models")
    expires_at = None if expires is None else words.moment(expires, option="--expires")
    owner = words.name(owner, option="--owner")
    project = None if project is None else words.name(project, option="--project")
    environment = None if environment is None else words.name(environment, option="--environment")
    with open_access(settings_or_exit()) as connection:
        key = create_key(
            connection,
            owner=owner,
            project=project,
            environment=environment,
            allowed_models=allowed,
            expires_at=expires_at,
        )
    typer.echo(f"{key.key_id} is made; the key is shown only now:", err=True)
    typer.echo(key.secret)


@app.command("list")
def list_(
    form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
) -> None:
    """List the keys, without their secrets."""
    from ingest.access.key_rows import LIST_KEYS
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        print_statement(connection, LIST_KEYS, form=form.value)


@app.command()
def rotate(
    key: Key,
    overlap: Annotated[str, typer.Option(help="How long the old key goes on working: 24h, 30m, 0.")] = "24h",
    expires: Expires = None,
) -> None:
    """Make a key with the same rights; the old one ends after the overlap."""
    from ingest.access.key_rows import KeyRefusedError, rotate_key

    wait = words.span(overlap, option="--overlap")
    expires_at = None if expires is None else words.moment(expires, option="--expires")
    with open_access(settings_or_exit()) as connection:
        try:
            old, made = rotate_key(connection, key, overlap=wait, expires_at=expires_at)
        except KeyRefusedError as error:
            raise UserError(str(error)) from error
    ends = f"works for {overlap} more" if wait else "has ended"
    typer.echo(f"{made.key_id} replaces {old}, which {ends}; the key is shown only now:", err=True)
    typer.echo(made.secret)


@app.command()
def revoke(key: Key) -> None:
    """End a key: running proxies refuse it within two seconds."""
    from ingest.access.key_rows import KeyRefusedError, revoke_key

    with open_access(settings_or_exit()) as connection:
        try:
            key_id = revoke_key(connection, key)
        except KeyRefusedError as error:
            raise UserError(str(error)) from error
    typer.echo(f"{key_id} is revoked")
