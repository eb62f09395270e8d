"""The server lives as long as somebody uses it, and not a moment longer, whoever is killed."""

import os
import signal
from pathlib import Path

import pytest

from ingest.database.connect import connect
from ingest.database.embedded import EmbeddedServer, start_embedded
from ingest.database.locks import is_held
from tests.ingest.embedded_commands import Command, eventually, is_running, keeper_of

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up in /proc")


def is_all_gone(server_pid: int, keeper_pid: int, run_folder: Path) -> bool:
    return not is_running(server_pid) and not is_running(keeper_pid) and not run_folder.exists()


def test_nothing_outlives_a_starter_that_was_killed(tmp_path: Path) -> None:
    with Command(tmp_path).wait_ready() as starter:
        server, keeper, run = starter.server_pid, keeper_of(starter.server_pid), starter.run_folder
        starter.kill()
        assert eventually(lambda: is_all_gone(server, keeper, run))
    assert not (tmp_path / "data" / "postmaster.pid").exists()  # it was shut down, not killed


def test_nothing_outlives_a_starter_that_was_killed_together_with_the_keeper(tmp_path: Path) -> None:
    with Command(tmp_path).wait_ready() as starter:
        server, keeper, run = starter.server_pid, keeper_of(starter.server_pid), starter.run_folder
        os.kill(keeper, signal.SIGKILL)
        starter.kill()
        assert eventually(lambda: not is_running(server))
    with Command(tmp_path).wait_ready() as following:
        assert not run.exists()
        following.leave()


def test_a_second_user_survives_the_end_of_the_starter(tmp_path: Path) -> None:
    with Command(tmp_path).wait_ready() as starter, Command(tmp_path).wait_ready() as second:
        assert second.server_pid == starter.server_pid
        starter.leave()
        assert second.ask("select 1") == 1
        second.leave()
        assert not is_running(second.server_pid)


def test_a_second_user_survives_the_killing_of_the_starter(tmp_path: Path) -> None:
    with Command(tmp_path).wait_ready() as starter, Command(tmp_path).wait_ready() as second:
        server, keeper, run = second.server_pid, keeper_of(second.server_pid), second.run_folder
        starter.kill()
        assert second.ask("select pg_sleep(1)") == ""  # several times as long as the keeper looks away
        assert is_running(server)
        second.kill()
        assert eventually(lambda: is_all_gone(server, keeper, run))


def test_commands_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    commands = [Command(tmp_path) for _ in range(4)]
    try:
        assert len({command.wait_ready().server_pid for command in commands}) == 1
        for command in commands:
            command.leave()
        assert eventually(lambda: not is_running(commands[0].server_pid))
    finally:
        for command in commands:
            command.__exit__(None, None, None)


def test_what_was_committed_survives_the_killing_of_the_server_itself(tmp_path: Path) -> None:
    with Command(tmp_path).wait_ready() as first:
        first.ask("create table kept as select 7 as n")
        os.kill(first.server_pid, signal.SIGKILL)
        with Command(tmp_path).wait_ready() as second:
            assert second.server_pid != first.server_pid
            assert second.ask("select n from kept") == 7
            second.leave()


def test_everything_killed_at_once_leaves_a_pid_file_that_is_no_obstacle(tmp_path: Path) -> None:
    with Command(tmp_path).wait_ready() as first:
        keeper = keeper_of(first.server_pid)
        os.kill(first.server_pid, signal.SIGSTOP)  # so that the keeper's death cannot end it gently
        for pid in (keeper, first.server_pid):
            os.kill(pid, signal.SIGKILL)
        first.kill()
        assert (tmp_path / "data" / "postmaster.pid").exists()
        with Command(tmp_path).wait_ready() as second:
            assert second.ask("select 1") == 1
            second.leave()


@pytest.mark.parametrize("stranger", ["ourselves", "another server"])
def test_a_pid_file_that_names_a_recycled_pid_is_no_obstacle(
    tmp_path: Path, server: EmbeddedServer | None, stranger: str
) -> None:
    start_embedded(tmp_path).stop()
    other = server.pid if server and stranger == "another server" else os.getpid()
    stale = f"{other}\n/proc/self/cwd\n1700000000\n5432\n/tmp\n127.0.0.1\n  1  1\nready   \n"
    (tmp_path / "data" / "postmaster.pid").write_text(stale)
    again = start_embedded(tmp_path)
    try:
        with connect(again.url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        again.stop()


def test_an_initdb_that_outlives_its_killed_starter_is_waited_for(tmp_path: Path) -> None:
    # On a busy machine initdb may be over before its starter is killed: then another is begun.
    for folder in (tmp_path / str(number) for number in range(5)):
        with Command(folder) as starter:
            assert eventually((folder / "data.draft" / "base").exists)
            starter.kill()
            if is_held(folder / "server.lock"):
                break
    else:
        pytest.fail("no initdb outlived its starter")
    with Command(folder).wait_ready() as following:
        assert following.ask("select 1") == 1
        following.leave()
    assert not (folder / "data.draft").exists()


@pytest.mark.slow
def test_a_start_killed_at_any_moment_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    for moment in range(10):
        with Command(tmp_path) as starter:
            eventually(lambda: False, seconds=0.2 + moment * 0.1)
            starter.kill()
    with Command(tmp_path).wait_ready() as survivor:
        server, keeper = survivor.server_pid, keeper_of(survivor.server_pid)
        assert survivor.ask("select count(*) from pg_database where datname in ('lqo', 'dagster')") == 2
        survivor.leave()
        assert eventually(lambda: not is_running(server) and not is_running(keeper))
