"""One call finds the warehouse, its reader and its Dagster database, embedded or not."""

from pathlib import Path

import psycopg
import pytest

from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.embedded import EmbeddedServer, ensure_database, reader_url
from ingest.database.sibling import dagster_database
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from tests.ingest.embedded_commands import StartServer, ask


def test_database_url_wins_over_the_embedded_server(
    tmp_path: Path, server: EmbeddedServer | None, warehouse: DatabaseUrl
) -> None:
    settings = Settings(home=tmp_path, database_url=warehouse.libpq())
    with ensure_database(settings) as url:
        assert url == warehouse
        with (
            connect(reader_url(settings, url)) as reader,
            pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        ):
            reader.execute("create table mine ()")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_one_line_without_the_password(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="postgresql://me:secret@127.0.0.1:1/lqo")
    with pytest.raises(DatabaseUnavailable, match="Connection refused") as caught, ensure_database(settings):
        pass
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.is_transient


def test_the_reader_and_dagster_find_their_databases(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with ensure_database(settings) as url:
        assert ask(reader_url(settings, url), "select current_user::text") == "lqo_reader"
        dagster = dagster_database(settings, url)
        assert (dagster.dbname, ask(dagster, "select 1")) == ("dagster", 1)


def test_a_missing_database_that_we_may_not_make_names_the_statement(
    tmp_path: Path, start_server: StartServer
) -> None:
    url = start_server(tmp_path).url
    settings = Settings(home=tmp_path, database_url=url.libpq())
    with pytest.raises(DatabaseUnavailable, match='create database "lqo_dagster" owner "lqo_owner"'):
        dagster_database(settings, url)
