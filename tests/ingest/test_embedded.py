"""The embedded server starts anywhere, keeps what it is given, and complains in one line."""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ingest.database.binaries import Account, Binaries, packaged_binaries, runnable_by, server_account
from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.embedded import EmbeddedServer, ensure_database, reader_url, start_embedded
from ingest.database.errors import EmbeddedServerError
from ingest.database.sibling import dagster_database
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from tests.ingest.embedded_commands import Command, eventually, is_running

IS_ROOT = os.geteuid() == 0
Start = Callable[..., EmbeddedServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """`start_embedded` whose servers are stopped after the test."""
    started: list[EmbeddedServer] = []

    def start_and_note(folder: Path, *, is_throwaway: bool = True) -> EmbeddedServer:
        started.append(start_embedded(folder, is_throwaway=is_throwaway))
        return started[-1]

    yield start_and_note
    for server in started:
        server.stop()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder below which every user may look (pytest's own is closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="lqo test "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def ask(url: DatabaseUrl, query: str) -> object:
    with connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


@pytest.mark.parametrize(
    "name",
    ["with spaces", "한국어 폴더", 'quote\'s "and" $HOME; %s', "/".join(["x" * 50] * 4), "가" * 80],
    ids=["spaces", "korean", "quotes", "200 characters", "240 bytes"],
)
def test_it_starts_and_stops_on_any_path(tmp_path: Path, name: str, start: Start) -> None:
    server = start(tmp_path / name / "postgres")
    assert ask(server.url, "select 1") == 1
    assert server.stop()
    assert not is_running(server.pid)
    assert not server.place.run.is_symlink()


def test_a_restart_keeps_the_data_the_port_and_the_passwords(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path, is_throwaway=False)
    with connect(first.url) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('still here')")
    first.stop()
    second = start(tmp_path, is_throwaway=False)
    assert second.url == first.url
    assert ask(second.url, "select word from kept") == "still here"


def test_it_is_durable_sorts_alike_everywhere_and_speaks_utc(tmp_path: Path, start: Start) -> None:
    url = start(tmp_path, is_throwaway=False).url
    expected = {"fsync": "on", "synchronous_commit": "on", "jit": "off", "timezone": "UTC"}
    expected |= {"max_connections": "100", "max_wal_size": "2GB", "server_encoding": "UTF8"}
    assert {name: ask(url, f"show {name}") for name in expected} == expected
    assert ask(url, "select datlocprovider from pg_database where datname = 'lqo'") == "b"
    assert ask(url, "select 'a' < 'B'") is False  # by code point


def test_the_owner_is_no_superuser_and_owns_both_databases(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path)
    assert (
        ask(server.url, "select rolsuper or rolcreatedb from pg_roles where rolname = current_user") is False
    )
    for database in ("lqo", "dagster"):
        with connect(server.url.with_database(database)) as connection:
            connection.execute("create schema ours")


def test_the_reader_can_neither_write_nor_see_dagsters_database(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path)
    with connect(server.reader_url) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("create table mine ()")
    with connect(server.reader_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("set default_transaction_read_only = off")
        connection.commit()
        connection.execute("create table public.mine ()")
    with pytest.raises(DatabaseUnavailable, match="permission denied"):
        connect(server.reader_url.with_database("dagster"))


def test_nobody_gets_in_without_a_password(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path)
    socket_folder = str(server.place.run.readlink())
    for host in ("127.0.0.1", socket_folder):
        guess = DatabaseUrl("postgres", "guess", host, server.port, "postgres")
        with pytest.raises(DatabaseUnavailable, match="password authentication failed") as caught:
            connect(guess)
        assert not caught.value.is_transient


def test_secrets_and_sockets_are_private(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path / "postgres")
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (server.place.passwords, server.place.folder, server.place.data, server.place.run)
    }
    assert modes == {"passwords.json": 0o600, "postgres": 0o700, "data": 0o700, "run": 0o700}
    assert server.passwords.owner not in repr(server)


def test_a_port_that_is_taken_meanwhile_is_left_to_its_owner(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path, is_throwaway=False)
    first.stop()
    with socket.create_server(("127.0.0.1", first.port)):
        second = start(tmp_path, is_throwaway=False)
        assert second.port != first.port
        assert ask(second.url, "select 1") == 1


def test_the_data_of_a_throwaway_server_go_with_its_last_user(tmp_path: Path, start: Start) -> None:
    first, second = start(tmp_path), start(tmp_path)
    assert not first.stop()
    assert ask(second.url, "select 1") == 1
    assert second.stop()
    assert not second.place.data.exists()


def test_what_an_interrupted_initdb_left_is_no_obstacle(tmp_path: Path, start: Start) -> None:
    (tmp_path / "data.draft" / "base").mkdir(parents=True)
    assert ask(start(tmp_path).url, "select 1") == 1


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


def test_an_unwritable_home_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedServerError, match=r"^cannot write .*Not a directory$"):
        start_embedded(tmp_path / "file" / "postgres")


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
def test_a_read_only_home_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EmbeddedServerError, match=r"^cannot write .*Permission denied$"):
        start_embedded(tmp_path / "postgres")


def test_a_full_disk_is_one_line_and_the_next_start_succeeds(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root and the right to mount")
    try:
        with pytest.raises(EmbeddedServerError, match="No space left on device") as caught:
            start_embedded(tmp_path / "postgres")
        assert "\n" not in str(caught.value)
        subprocess.run(["mount", "-o", "remount,size=400m", str(tmp_path)], check=True)
        start_embedded(tmp_path / "postgres").stop()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_data_of_another_version_are_refused(tmp_path: Path) -> None:
    start_embedded(tmp_path).stop()
    (tmp_path / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(
        EmbeddedServerError, match="belongs to PostgreSQL 15, and this installation brings 18"
    ):
        start_embedded(tmp_path)


def test_a_folder_that_is_no_cluster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "passwords.json").write_text('{"superuser": "a", "owner": "b", "reader": "c"}')
    with pytest.raises(EmbeddedServerError, match="PG_VERSION"):
        start_embedded(tmp_path)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_lost_passwords_are_told_with_the_way_out(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    start_embedded(tmp_path).stop()
    damage(tmp_path / "passwords.json")
    with pytest.raises(EmbeddedServerError, match="restore"):
        start_embedded(tmp_path)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    start_embedded(tmp_path).stop()
    with (tmp_path / "data" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(
        EmbeddedServerError, match=r"does not start: .*configuration file .*contains errors"
    ) as caught:
        start_embedded(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").is_symlink()


def test_a_server_that_we_did_not_start_is_refused(tmp_path: Path, start: Start) -> None:
    start(tmp_path, is_throwaway=False).stop()
    data, run = tmp_path / "data", Path(tempfile.mkdtemp(prefix="lqo-", dir="/tmp"))
    account = server_account(data)
    if account:
        account.own(run)
    command = [packaged_binaries().program("postgres"), "-D", "/proc/self/cwd", "-k", str(run), "-h", ""]
    with (run / "log").open("w") as log:
        foreign = subprocess.Popen(
            command, cwd=data, stdout=log, stderr=log, **(account.identity if account else {})
        )
    try:
        assert eventually(
            lambda: (
                "ready" in (data / "postmaster.pid").read_text()
                if (data / "postmaster.pid").exists()
                else False
            )
        )
        with pytest.raises(EmbeddedServerError, match=rf"did not start \(pid {foreign.pid}\)"):
            start_embedded(tmp_path)
        assert is_running(foreign.pid)
    finally:
        foreign.terminate()
        foreign.wait()
        shutil.rmtree(run)


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


def test_a_missing_database_that_we_may_not_make_names_the_statement(tmp_path: Path, start: Start) -> None:
    url = start(tmp_path).url
    settings = Settings(home=tmp_path, database_url=url.libpq())
    with pytest.raises(DatabaseUnavailable, match='create database "lqo_dagster" owner "lqo_owner"'):
        dagster_database(settings, url)


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_root_drops_to_a_user_of_its_own_and_touches_no_parent(tmp_path: Path, start: Start) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in (closed, *closed.parents)]
    server = start(closed / "postgres")
    assert Path(f"/proc/{server.pid}").stat().st_uid == 60900
    assert ask(server.url, "select 1") == 1
    assert [(path, path.stat().st_mode, path.stat().st_uid) for path, *_ in before] == before


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_a_user_without_rights_runs_its_own_server(open_folder: Path) -> None:
    nobody = Account(65534, 65534)
    nobody.own(open_folder)
    with Command(open_folder / "postgres", uid=nobody.uid).wait_ready() as command:
        assert Path(f"/proc/{command.server_pid}").stat().st_uid == nobody.uid
        command.leave()


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_root_runs_the_server_of_a_user_as_that_user(open_folder: Path, start: Start) -> None:
    nobody = Account(65534, 65534)
    nobody.own(open_folder)
    with Command(open_folder / "postgres", uid=nobody.uid).wait_ready() as command:
        command.leave()
    server = start(open_folder / "postgres", is_throwaway=False)
    assert Path(f"/proc/{server.pid}").stat().st_uid == nobody.uid


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_programs_under_a_closed_folder_are_copied_once(tmp_path: Path, open_folder: Path) -> None:
    package = packaged_binaries().folder.parent
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, tmp_path / folder.name)
    closed = Binaries(tmp_path / package.name / "pginstall")
    account = server_account(tmp_path)
    copied = runnable_by(account, closed, copies=open_folder)
    assert copied.folder.is_relative_to(open_folder)
    assert runnable_by(account, closed, copies=open_folder) == copied
    server = start_embedded(tmp_path / "postgres", is_throwaway=True, binaries=copied)
    try:
        assert ask(server.url, "select 1") == 1
    finally:
        server.stop()
