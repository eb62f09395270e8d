"""The embedded server starts anywhere, keeps what it is given, and complains in one line."""

import socket
import stat
from pathlib import Path

import psycopg
import pytest

from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.url import DatabaseUrl
from tests.ingest.embedded_commands import Command, StartServer, ask, is_running


@pytest.mark.parametrize(
    "name",
    ["with spaces", "한국어 폴더", 'quote\'s "and" $HOME; %s', "/".join(["x" * 50] * 4), "가" * 80],
    ids=["spaces", "korean", "quotes", "200 characters", "240 bytes"],
)
def test_it_starts_and_stops_on_any_path(tmp_path: Path, name: str, start_server: StartServer) -> None:
    server = start_server(tmp_path / name / "postgres")
    assert ask(server.url, "select 1") == 1
    assert server.stop()
    assert not is_running(server.pid)
    assert not server.place.run.is_symlink()


def test_a_restart_keeps_the_data_the_port_and_the_passwords(
    tmp_path: Path, start_server: StartServer
) -> None:
    first = start_server(tmp_path, is_throwaway=False)
    with connect(first.url) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('still here')")
    first.stop()
    second = start_server(tmp_path, is_throwaway=False)
    assert second.url == first.url
    assert ask(second.url, "select word from kept") == "still here"


def test_it_is_durable_sorts_alike_everywhere_and_speaks_utc(
    tmp_path: Path, start_server: StartServer
) -> None:
    url = start_server(tmp_path, is_throwaway=False).url
    expected = {"fsync": "on", "synchronous_commit": "on", "jit": "off", "timezone": "UTC"}
    expected |= {"max_connections": "100", "max_wal_size": "2GB", "server_encoding": "UTF8"}
    assert {name: ask(url, f"show {name}") for name in expected} == expected
    assert ask(url, "select datlocprovider from pg_database where datname = 'lqo'") == "b"
    assert ask(url, "select 'a' < 'B'") is False  # by code point


def test_the_owner_is_no_superuser_and_owns_both_databases(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server(tmp_path)
    assert (
        ask(server.url, "select rolsuper or rolcreatedb from pg_roles where rolname = current_user") is False
    )
    for database in ("lqo", "dagster"):
        with connect(server.url.with_database(database)) as connection:
            connection.execute("create schema ours")


def test_the_reader_can_neither_write_nor_see_dagsters_database(
    tmp_path: Path, start_server: StartServer
) -> None:
    server = start_server(tmp_path)
    with connect(server.reader_url) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("create table mine ()")
    with connect(server.reader_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("set default_transaction_read_only = off")
        connection.commit()
        connection.execute("create table public.mine ()")
    with pytest.raises(DatabaseUnavailable, match="permission denied"):
        connect(server.reader_url.with_database("dagster"))


def test_nobody_gets_in_without_a_password(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server(tmp_path)
    socket_folder = str(server.place.run.readlink())
    for host in ("127.0.0.1", socket_folder):
        guess = DatabaseUrl("postgres", "guess", host, server.port, "postgres")
        with pytest.raises(DatabaseUnavailable, match="password authentication failed") as caught:
            connect(guess)
        assert not caught.value.is_transient


def test_secrets_and_sockets_are_private(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server(tmp_path / "postgres")
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (server.place.passwords, server.place.folder, server.place.data, server.place.run)
    }
    assert modes == {"passwords.json": 0o600, "postgres": 0o700, "data": 0o700, "run": 0o700}
    assert server.passwords.owner not in repr(server)


def test_a_port_that_is_taken_meanwhile_is_left_to_its_owner(
    tmp_path: Path, start_server: StartServer
) -> None:
    first = start_server(tmp_path, is_throwaway=False)
    first.stop()
    with socket.create_server(("127.0.0.1", first.port)):
        second = start_server(tmp_path, is_throwaway=False)
        assert second.port != first.port
        assert ask(second.url, "select 1") == 1


def test_the_data_of_a_throwaway_server_go_with_its_last_user(
    tmp_path: Path, start_server: StartServer
) -> None:
    first, second = start_server(tmp_path), start_server(tmp_path)
    assert not first.stop()
    assert ask(second.url, "select 1") == 1
    assert second.stop()
    assert not second.place.data.exists()


def test_what_an_interrupted_initdb_left_is_no_obstacle(tmp_path: Path, start_server: StartServer) -> None:
    (tmp_path / "data.draft" / "base").mkdir(parents=True)
    assert ask(start_server(tmp_path).url, "select 1") == 1


def test_settings_of_other_servers_in_the_environment_do_not_matter(tmp_path: Path) -> None:
    foreign = {"PGSSLMODE": "verify-full", "PGDATA": "/nowhere", "PGPORT": "1", "PGUSER": "x"}
    if __file__.isascii():  # under LC_ALL=C Python 3.11 reads no other path of an editable install
        foreign["LC_ALL"] = "C"
    with Command(tmp_path, environ=foreign).wait_ready() as command:
        command.leave()


def test_a_long_folder_for_temporary_files_does_not_matter(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    with Command(tmp_path / "home", environ={"TMPDIR": str(long)}).wait_ready() as command:
        command.leave()
