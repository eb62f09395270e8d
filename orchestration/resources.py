"""What assets, checks and sensors hold: the warehouse, and dbt without its calls home."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version as installed_version
from typing import Any

import dagster as dg
import psycopg
from packaging.version import Version

from ingest.database.connect import connect
from ingest.database.embedded import ensure_database
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings, load_settings
from orchestration.dagster_dbt_light import DbtCliResource


class Warehouse(dg.ConfigurableResource[Any]):
    """The warehouse that the environment names, unless a field says otherwise."""

    home: str | None = None
    database_url: str | None = None

    def settings(self) -> Settings:
        """`LQO_HOME`, `DATABASE_URL` and the rest, with this resource's fields in front."""
        given = {"LQO_HOME": self.home, "DATABASE_URL": self.database_url}
        return load_settings({**os.environ, **{name: value for name, value in given.items() if value}})

    @contextmanager
    def url(self) -> Iterator[DatabaseUrl]:
        """The server's URL; the embedded server is held for as long as the block runs."""
        with ensure_database(self.settings()) as url:
            yield url

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """A connection in autocommit: every step says where its own transactions begin and end."""
        with self.url() as url, connect(url, autocommit=True, application_name="lqo dagster") as connection:
            yield connection


class QuietDbt(DbtCliResource):
    """dagster-dbt's resource, less two things it does before every command.

    It asks `dbt --version`, which asks the package index for the newest release (a call home, and up to
    a second of waiting behind a firewall), and it builds a second adapter in this process to read column
    metadata that we do not show (1.5 s).
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(installed_version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None
