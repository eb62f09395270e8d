"""Whose server it is: root never runs one, and leaves what it does not own alone."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.database.binaries import Account, Binaries, packaged_binaries, runnable_by, server_account
from ingest.database.embedded import start_embedded
from tests.ingest.embedded_commands import IS_ROOT, Command, StartServer, ask


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder below which every user may look (pytest's own is closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="lqo test "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_root_drops_to_a_user_of_its_own_and_touches_no_parent(
    tmp_path: Path, start_server: StartServer
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in (closed, *closed.parents)]
    server = start_server(closed / "postgres")
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
def test_root_runs_the_server_of_a_user_as_that_user(open_folder: Path, start_server: StartServer) -> None:
    nobody = Account(65534, 65534)
    nobody.own(open_folder)
    with Command(open_folder / "postgres", uid=nobody.uid).wait_ready() as command:
        command.leave()
    server = start_server(open_folder / "postgres", is_throwaway=False)
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
