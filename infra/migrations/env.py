"""Alembic's entry: runs the revisions over a connection that `lqo migrate` passes, or over DATABASE_URL."""

import os

from alembic import context
from sqlalchemy import Connection, create_engine, pool


def run(connection: Connection) -> None:
    """Run the revisions inside one transaction each, with the version table out of `public`."""
    connection.exec_driver_sql("create schema if not exists ingest")
    connection.commit()
    context.configure(
        connection=connection,
        version_table="schema_version",
        version_table_schema="ingest",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    from ingest.database.url import parse_url

    url = parse_url(os.environ["DATABASE_URL"]).sqlalchemy("psycopg")
    with create_engine(url, poolclass=pool.NullPool).connect() as own:
        run(own)
