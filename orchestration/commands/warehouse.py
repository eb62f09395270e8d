"""The warehouse as every verb opens it: settings, a server, the schema, a connection."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import typer

from ingest.access.follower import POLL_SECONDS
from ingest.access.snapshot import load_snapshot, read_version
from ingest.database.connect import connect
from ingest.database.embedded import ensure_database
from ingest.database.revision import is_current
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings, SettingsError, load_settings
from orchestration.commands.errors import UserError

_PATIENCE_SECONDS = 5.0


def settings_or_exit() -> Settings:
    """The settings of this environment; a bad value is bad usage."""
    try:
        return load_settings()
    except SettingsError as error:
        raise UserError(str(error), code=2) from error


@contextmanager
def open_database(settings: Settings, *, migrated: bool = True) -> Iterator[DatabaseUrl]:
    """The URL of a server that answers, with the schema at its newest revision unless told otherwise."""
    with ensure_database(settings) as url:
        if migrated and not is_current(url):
            from ingest.database.migrate import migrate  # Alembic takes half a second to import

            migrate(url)
        yield url


@contextmanager
def open_warehouse(settings: Settings) -> Iterator[psycopg.Connection]:
    """A connection of the owner to a migrated warehouse."""
    with open_database(settings) as url, connect(url) as connection:
        yield connection


@contextmanager
def open_access(settings: Settings) -> Iterator[psycopg.Connection]:
    """The same for a change of keys, models and the like; ends once a running proxy of this home has it.

    An embedded server that was started for the command alone would else be gone before the proxy looks.
    """
    with open_database(settings) as url:
        with connect(url) as connection:
            yield connection
        if settings.database_url is None and _proxy_runs(settings):
            with connect(url) as connection:
                version = read_version(connection)
            _wait_until_known(settings, version)


def _proxy_runs(settings: Settings) -> bool:
    try:
        pid = json.loads((settings.home / "run" / "proxy.json").read_bytes())["pid"]
        os.kill(int(pid), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _wait_until_known(settings: Settings, version: int) -> None:
    if _is_known(settings, version):
        return
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if _is_known(settings, version):
            time.sleep(POLL_SECONDS)  # another worker of the same home may look a moment later
            return
    typer.echo("the change is made, but the running proxy has not taken it yet", err=True)


def _is_known(settings: Settings, version: int) -> bool:
    with suppress(ValueError):
        held = load_snapshot(settings.home)
        return held is not None and held.version >= version
    return False
