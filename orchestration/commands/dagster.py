"""`lqo dagster`: its processes one by one, for a machine or container each; `lqo up` runs them here."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ingest.settings import Settings
from orchestration.commands.errors import UserError
from orchestration.commands.options import Host
from orchestration.commands.warehouse import open_database, settings_or_exit

app = typer.Typer(
    no_args_is_help=True, help="Dagster's daemon and web server alone, on a server of DATABASE_URL."
)


@app.command()
def prepare() -> None:
    """Make the schema, the views, Dagster's database and its configuration; again changes nothing."""
    _prepare(views=True)
    typer.echo("the warehouse and Dagster are ready", err=True)


@app.command()
def daemon() -> None:
    """Run Dagster's daemon: schedules, sensors, runs."""
    settings = _prepare()
    _become("dagster-daemon", "run", settings=settings)


@app.command()
def webserver(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Run Dagster's web server."""
    settings = _prepare()
    _become("dagster-webserver", "-h", host, "-p", str(port), settings=settings)


def _prepare(*, views: bool = False) -> Settings:
    """This home's instance, and its environment in this process; `views` also deploys dbt's."""
    from ingest.database.sibling import dagster_database
    from orchestration.dbt import ensure_manifest, ensure_views
    from orchestration.instance import prepare_instance

    settings = settings_or_exit()
    if settings.database_url is None:
        raise UserError("this needs DATABASE_URL: the embedded server belongs to `lqo up`", code=2)
    os.environ["LQO_HOME"] = str(settings.home)
    with open_database(settings, migrated=views) as url:
        ensure_manifest(settings)
        if views:
            ensure_views(settings, url)
        # Into the environment of this process, which is about to be Dagster's.
        prepare_instance(settings, dagster_database(settings, url))
    return settings


def _become(program: str, *arguments: str, settings: Settings) -> NoReturn:
    """Replace this process: signals and the exit status are Dagster's own."""
    path = Path(sys.executable).parent / program
    workspace = str(settings.dagster / "workspace.yaml")
    sys.stdout.flush()
    os.execv(path, [str(path), *arguments, "-w", workspace])
