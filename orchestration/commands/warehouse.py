"""The warehouse as every verb opens it: settings, a server, the schema, a connection."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ingest.database.connect import connect
from ingest.database.embedded import ensure_database
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings, SettingsError, load_settings
from orchestration.commands.errors import UserError


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
        if migrated:
            from ingest.database.migrate import migrate  # Alembic takes half a second to import

            migrate(url)
        yield url


@contextmanager
def open_warehouse(settings: Settings) -> Iterator[psycopg.Connection]:
    """A connection of the owner to a migrated warehouse."""
    with open_database(settings) as url, connect(url) as connection:
        yield connection
