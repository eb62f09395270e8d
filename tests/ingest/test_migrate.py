"""The schema is brought to head once, whoever asks and however often."""

from ingest.database.connect import connect
from ingest.database.migrate import current_revision, head_revision, migrate
from ingest.database.url import DatabaseUrl


def test_an_empty_database_is_brought_to_head_and_a_second_run_changes_nothing(
    empty_database: DatabaseUrl,
) -> None:
    assert current_revision(empty_database) is None
    assert migrate(empty_database) == head_revision()
    assert migrate(empty_database) == head_revision()


def test_the_warehouse_fixture_is_at_head(warehouse: DatabaseUrl) -> None:
    assert current_revision(warehouse) == head_revision()
    with connect(warehouse) as connection:
        found = connection.execute("select to_regclass('raw.llm_calls') is not null").fetchone()
    assert found == (True,)
