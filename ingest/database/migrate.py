"""Bring a database to the newest schema with alembic; two at once are safe."""

import time
from collections.abc import Generator
from contextlib import contextmanager

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.revision import MIGRATIONS, current_revision
from ingest.database.url import DatabaseUrl

_LOCK_KEY = 0x6C716F_6D6967  # "lqo mig"


class MigrationError(RuntimeError):
    """The schema cannot be brought to head; the message is one line."""


def migrate(url: DatabaseUrl, *, revision: str = "head", wait_seconds: float = 600) -> str | None:
    """Upgrade to `revision` and return what the database then stands at; a second run changes nothing.

    `infra/migrations/env.py` runs on the connection in `config.attributes["connection"]`.
    Raises DatabaseUnavailable, or MigrationError when the database is newer than this program
    or another migration runs for longer than `wait_seconds`.
    """
    with _locked(url, wait_seconds=wait_seconds), _engine_connection(url) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise MigrationError(f"cannot migrate {url.masked()}: {' '.join(str(error).split())}") from error
        connection.commit()
    return current_revision(url)


def alembic_config() -> Config:
    """The configuration without an ini file, so that a wheel needs none."""
    if not (MIGRATIONS / "env.py").is_file():
        raise MigrationError(f"the migrations are missing from this installation ({MIGRATIONS})")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _engine_connection(url: DatabaseUrl) -> Generator[sqlalchemy.Connection]:
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(url, application_name="lqo migrate"),
        poolclass=sqlalchemy.NullPool,
    )
    with engine.connect() as connection:
        yield connection


@contextmanager
def _locked(url: DatabaseUrl, *, wait_seconds: float) -> Generator[None]:
    """Hold the advisory lock of migrations.

    Asked for again and again, not waited for: a waiting statement holds a snapshot, and
    `create index concurrently` of the one that migrates would wait for it in turn.
    """
    deadline = time.monotonic() + wait_seconds
    with connect(url, autocommit=True, application_name="lqo migrate (lock)") as lock:
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                raise MigrationError("another migration has held its lock for too long; is it stuck?")
            time.sleep(0.1)
        yield


def _try_lock(lock: psycopg.Connection[TupleRow]) -> bool:
    row = lock.execute("select pg_try_advisory_lock(%s)", [_LOCK_KEY]).fetchone()
    return bool(row and row[0])
