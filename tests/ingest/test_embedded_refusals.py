"""What keeps the embedded server from starting is said in one line."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.database.binaries import packaged_binaries, server_account
from ingest.database.embedded import start_embedded
from ingest.database.errors import EmbeddedServerError
from tests.ingest.embedded_commands import IS_ROOT, StartServer, eventually, is_running


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


def test_a_server_that_we_did_not_start_is_refused(tmp_path: Path, start_server: StartServer) -> None:
    start_server(tmp_path, is_throwaway=False).stop()
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
