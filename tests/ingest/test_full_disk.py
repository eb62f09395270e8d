"""The disk of LQO_HOME fills up under an import: one line, and the next run finishes the job."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.database.embedded import start_embedded
from ingest.database.migrate import migrate
from ingest.importers.summary import ImportFailedError
from tests.ingest.import_lines import Importer, line
from tests.ingest.test_import_outages import totals

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
        server.stop()
    subprocess.run(["mount", "-o", "remount,size=800m", str(small_disk)], check=True)
    server = start_embedded(small_disk / "postgres")
    try:
        summary = Importer(small_disk, server.url)(path)
        assert summary.already_there >= failed.value.summary.landed
        assert (summary.landed + summary.already_there, summary.rejected) == (CALLS, 0)
        assert totals(server.url) == (CALLS, CALLS, CALLS, 0)
    finally:
        server.stop()
