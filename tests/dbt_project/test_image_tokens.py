"""Marts that stand already get the columns of image tokens with the migration, without being built anew."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy
from alembic import command
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.migrate import alembic_config, migrate
from ingest.database.url import DatabaseUrl
from tests.conftest import create_database, drop_database
from tests.dbt_project.marts import records

BEFORE = "0037"
COLUMNS = """
select table_name, column_name, data_type
from information_schema.columns
inner join information_schema.tables using (table_schema, table_name)
where table_schema = 'marts' and table_type = 'BASE TABLE'
"""
OLD_HOUR = """
insert into marts.cost_daily (day, provider, model, project, key_id, n_calls, n_priced, n_unpriced)
values ('2026-11-01', 'openai', 'm', 'p', 'k', 1, 1, 0)
"""


@pytest.fixture
def modelled(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    """Empty marts as dbt makes them."""
    name = f"lqo_images_{uuid4().hex}"
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=modelled_template)
    yield owner_url.with_database(name)
    with connect(maintenance_url, autocommit=True) as maintenance:
        drop_database(maintenance, name)


def test_marts_of_before_get_the_very_columns_that_dbt_gives_new_ones(modelled: DatabaseUrl) -> None:
    with connect(modelled) as connection:
        new = columns_of(connection)
    downgrade(modelled)
    with connect(modelled) as connection:
        lost = new - columns_of(connection)
        connection.execute(OLD_HOUR)
        connection.commit()
    # Later migrations have columns of their own.
    assert {(table, name) for table, name, _ in lost if name.endswith("_image")} == {
        (table, name)
        for table in ("calls", "calls_hourly", "cost_hourly", "cost_daily")
        for name in ("input_image", "output_image")
    }
    migrate(modelled)
    with connect(modelled) as connection:
        assert columns_of(connection) == new
        (old,) = records(connection, "select n_calls, input_image, output_image from marts.cost_daily")
    assert old == {"n_calls": 1, "input_image": None, "output_image": None}


def columns_of(connection: psycopg.Connection[TupleRow]) -> set[tuple[str, ...]]:
    return {tuple(row.values()) for row in records(connection, COLUMNS)}


def downgrade(url: DatabaseUrl) -> None:
    engine = sqlalchemy.create_engine(url.sqlalchemy("psycopg"))
    config = alembic_config()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
        connection.commit()
    engine.dispose()
