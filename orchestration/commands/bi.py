"""`lqo bi`: what Grafana and Metabase need from us."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_database, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="Grafana and Metabase: their login, dashboards, cards.")
Server = Annotated[str, typer.Argument(help="Metabase's address, as http://metabase:3000.")]
Key = Annotated[
    str, typer.Option("--api-key", envvar="LQO_METABASE_API_KEY", help="An API key of an administrator.")
]
Database = Annotated[str, typer.Option(help="The database's name in Metabase.")]


@app.callback()
def _bi() -> None:
    """Grafana and Metabase."""


@app.command()
def role(
    new_password: Annotated[bool, typer.Option("--new-password", help="Give the role another one.")] = False,
) -> None:
    """Make the login lqo_bi, which reads the marts and nothing else; print its URL while it is new."""
    from ingest.database.embedded import role_making_url
    from orchestration.bi.role import BiRoleError, ensure_bi_role

    settings = settings_or_exit()
    with open_database(settings) as url:
        try:
            made = ensure_bi_role(url, admin=role_making_url(settings, url), new_password=new_password)
        except BiRoleError as error:
            raise UserError(str(error)) from error
    if made.is_new:
        typer.echo("lqo_bi reads the marts; its password is shown only now:", err=True)
        typer.echo(made.url.libpq())
    else:
        typer.echo("lqo_bi reads the marts and has kept its password (--new-password gives another)")


@app.command()
def grafana(
    folder: Annotated[Path, typer.Argument(help="Where Grafana's provisioning is to stand.")],
) -> None:
    """Write Grafana's provisioning and dashboards into a folder, over what has these names."""
    from orchestration.bi.provisioning import write_provisioning

    try:
        paths = write_provisioning(folder)
    except OSError as error:
        raise UserError(f"cannot write {error.filename or folder}: {error.strerror}") from error
    typer.echo(f"{len(paths)} files in {folder}; docs/dashboards.md says which variables they want")


@app.command()
def metabase(
    server: Server,
    api_key: Key,
    database: Database = "LQO marts",
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar="LQO_BI_URL",
            help="lqo_bi's URL as Metabase reaches it; needed until Metabase knows the database.",
        ),
    ] = None,
) -> None:
    """Make or renew the collection, cards and dashboards in Metabase; a second run changes nothing else."""
    from ingest.database.url import parse_url
    from reports.metabase.bootstrap import bootstrap
    from reports.metabase.client import Metabase, MetabaseError

    try:
        login = parse_url(database_url) if database_url else None
        done = bootstrap(Metabase(server, api_key=api_key), database=database, login=login)
    except (MetabaseError, ValueError) as error:
        raise UserError(str(error)) from error
    typer.echo(f"{done.n_cards} cards on {done.n_dashboards} dashboards in {server}")


@app.command()
def describe(server: Server, api_key: Key, database: Database = "LQO marts") -> None:
    """Give Metabase the descriptions that the marts' tables and columns have in dbt."""
    from orchestration.bi.descriptions import push_descriptions
    from reports.metabase.client import MetabaseError

    try:
        push_descriptions(settings_or_exit(), server=server, api_key=api_key, database=database)
    except MetabaseError as error:
        raise UserError(str(error)) from error
    typer.echo(f"{server} has the marts' descriptions")
