"""The database's disk fills up under an import and under a loader: nothing is lost, the next run finishes."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.embedded import EmbeddedServer, start_embedded
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl
from ingest.importers.summary import ImportFailedError
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest.import_lines import Importer, line
from tests.ingest.spool_calls import end, start, wait_for, write
from tests.ingest.test_import_outages import totals
from tests.ingest.test_loader_postgres import running_loader

CALLS = 6_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own, 160 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root and the right to mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def stop_with_more_room(server: EmbeddedServer, *, disk: Path) -> None:
    """A server told to stop while it recovers from the full disk waits for ever, until it is killed."""
    subprocess.run(["mount", "-o", "remount,size=800m", str(disk)], check=True)
    wait_for(lambda: answers(server.url), seconds=60)
    server.stop()


def answers(url: DatabaseUrl) -> bool:
    with contextlib.suppress(DatabaseUnavailable, psycopg.OperationalError), connect(url) as connection:
        connection.execute("select 1")
        return True
    return False


@pytest.mark.slow
def test_a_disk_that_fills_up_under_an_import_is_one_line_and_the_next_run_finishes(
    small_disk: Path, tmp_path: Path
) -> None:
    path = tmp_path / "calls.jsonl"
    with path.open("wb") as file:
        # Digits of chance, so that nothing on the way can make them small.
        file.writelines(line(n, output_text=os.urandom(8_000).hex()) for n in range(CALLS))
    server = start_embedded(small_disk / "postgres")
    try:
        migrate(server.url)
        with pytest.raises(ImportFailedError, match="run the same import again to finish") as failed:
            Importer(small_disk, server.url)(path)
        assert "\n" not in str(failed.value)
        assert failed.value.summary.landed < CALLS
    finally:
        stop_with_more_room(server, disk=small_disk)
    server = start_embedded(small_disk / "postgres")
    try:
        summary = Importer(small_disk, server.url)(path)
        assert summary.already_there >= failed.value.summary.landed
        assert (summary.landed + summary.already_there, summary.rejected) == (CALLS, 0)
        assert totals(server.url) == (CALLS, CALLS, CALLS, 0)
    finally:
        server.stop()


@pytest.mark.slow
async def test_a_database_whose_disk_is_full_keeps_the_loader_waiting_and_loses_nothing(
    small_disk: Path, settings: Settings, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(CALLS):
        call = start()
        await write(spool, call, end(call, response=os.urandom(8_000).hex().encode()))
    server = start_embedded(small_disk / "postgres")
    try:
        migrate(server.url)
        with running_loader(settings, server.url) as results:
            wait_for(lambda: "the spool waits for the database" in caplog.text, seconds=90)
        assert results[0].landed < CALLS
    finally:
        stop_with_more_room(server, disk=small_disk)
    server = start_embedded(small_disk / "postgres")
    try:
        run_loader(settings, server.url, once=True)
        assert totals(server.url)[0] == CALLS
    finally:
        server.stop()
