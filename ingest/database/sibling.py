"""A second database on the same server, for Dagster's own storage."""

import psycopg
from psycopg import sql

from ingest.database.cluster import DAGSTER
from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings


def dagster_database(settings: Settings, url: DatabaseUrl) -> DatabaseUrl:
    """Dagster's database, made if missing: `dagster` on our own server, `<warehouse>_dagster` elsewhere."""
    return ensure_sibling_database(url, dagster_database_name(settings, url))


def dagster_database_name(settings: Settings, url: DatabaseUrl) -> str:
    """What Dagster's database is called beside the warehouse at `url`, made or not."""
    return f"{url.dbname or url.user}_{DAGSTER}" if settings.database_url else DAGSTER


def ensure_sibling_database(url: DatabaseUrl, name: str) -> DatabaseUrl:
    """The database `name` on the server of `url`, made if missing.

    Raises DatabaseUnavailable, with the statement for an administrator, where we may not make it.
    """
    with connect(url, autocommit=True) as connection:
        if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            return url.with_database(name)
        try:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            pass  # somebody else made it just now
        except psycopg.errors.InsufficientPrivilege:
            raise DatabaseUnavailable(
                f"{url.masked()} may not create databases: "
                f'have an administrator run: create database "{name}" owner "{connection.info.user}"',
                is_transient=False,
            ) from None
    return url.with_database(name)
