"""The schema is brought to head once, whoever asks and however often."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from ingest.database.binaries import Binaries
from ingest.database.connect import connect
from ingest.database.embedded import start_embedded
from ingest.database.migrate import MigrationError, alembic_config, migrate
from ingest.database.revision import current_revision, head_revision, is_current
from ingest.database.url import DatabaseUrl

DEBIAN = Path("/usr/lib/postgresql/15")


def relations(url: DatabaseUrl) -> set[str]:
    """Every table and view of ours, with its schema."""
    query = """
        select format('%s.%s %s', relnamespace::regnamespace, relname, relkind)
        from pg_class
        where relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
    """
    with connect(url) as connection:
        return {row[0] for row in connection.execute(query)}


def test_an_empty_database_is_brought_to_head_and_a_second_run_changes_nothing(
    empty_database: DatabaseUrl,
) -> None:
    assert current_revision(empty_database) is None
    assert migrate(empty_database) == head_revision()
    made = relations(empty_database)
    assert migrate(empty_database) == head_revision()
    assert relations(empty_database) == made


def test_the_warehouse_of_the_tests_is_at_head(warehouse: DatabaseUrl) -> None:
    assert current_revision(warehouse) == head_revision()
    assert "raw.llm_calls p" in relations(warehouse)


def test_the_newest_revision_is_the_one_that_alembic_finds() -> None:
    assert [head_revision()] == ScriptDirectory.from_config(alembic_config()).get_heads()


def test_a_schema_is_current_at_the_newest_revision_alone(empty_database: DatabaseUrl) -> None:
    assert not is_current(empty_database)
    migrate(empty_database, revision="0001")
    assert (current_revision(empty_database), is_current(empty_database)) == ("0001", False)
    migrate(empty_database)
    assert is_current(empty_database)
    with connect(empty_database) as connection:
        connection.execute("update ingest.schema_version set version_num = '9999'")
    assert not is_current(empty_database)


def test_migrations_that_run_at_once_wait_for_each_other(empty_database: DatabaseUrl) -> None:
    with ThreadPoolExecutor(4) as pool:
        reached = list(pool.map(lambda _: migrate(empty_database), range(4)))
    assert reached == [head_revision()] * 4


def test_a_migration_that_waits_too_long_gives_up_in_one_line(empty_database: DatabaseUrl) -> None:
    with connect(empty_database) as other:
        other.execute("select pg_advisory_lock(%s)", [0x6C716F_6D6967])
        with pytest.raises(MigrationError, match="another migration"):
            migrate(empty_database, wait_seconds=0.2)
    assert current_revision(empty_database) is None


def test_a_database_that_is_newer_than_the_program_is_left_alone(warehouse: DatabaseUrl) -> None:
    with connect(warehouse) as connection:
        connection.execute("update ingest.schema_version set version_num = '9999'")
    with pytest.raises(MigrationError, match="9999") as caught:
        migrate(warehouse)
    assert "\n" not in str(caught.value)
    assert warehouse.password not in str(caught.value)


@pytest.fixture
def debian_server() -> Iterator[DatabaseUrl]:
    """The oldest version we support, as Debian 12 brings it."""
    if not (DEBIAN / "bin" / "postgres").exists():
        pytest.skip(f"no PostgreSQL 15 in {DEBIAN}")
    # Programs before 16 walk to their folder by its path, so every folder on the way must be open.
    with tempfile.TemporaryDirectory(prefix="lqo test ") as folder:
        Path(folder).chmod(0o755)
        server = start_embedded(Path(folder), is_throwaway=True, binaries=Binaries(DEBIAN))
        yield server.url
        server.stop()


def test_migrations_run_on_a_debian_server(debian_server: DatabaseUrl, warehouse: DatabaseUrl) -> None:
    assert migrate(debian_server) == head_revision()
    assert migrate(debian_server) == head_revision()
    assert relations(debian_server) == relations(warehouse)


@pytest.mark.skipif("LQO_TEST_DATABASE_URL" in os.environ, reason="a real server has its own rights")
def test_the_owner_needs_no_superuser_to_migrate(empty_database: DatabaseUrl) -> None:
    with connect(empty_database) as connection:
        row = connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
    assert row == (False,)
    assert migrate(empty_database) == head_revision()
