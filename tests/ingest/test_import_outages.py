"""Imports that are killed, cut off or doubled: what was committed stays, the next run finishes the job."""

import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.embedded import start_embedded
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl
from ingest.importers.files import import_files
from ingest.importers.summary import ImportFailedError, ImportSummary
from tests.ingest import import_process
from tests.ingest.import_lines import Importer, line, lines

CALLS = 20_000
TOTALS = """
select
    (select count(*) from raw.llm_calls),
    (select count(*) from raw.llm_bodies),
    (select count(*) from raw.external_ids),
    (select count(*) from raw.dead_letters)
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """20,000 calls, among them one broken line and one call that comes twice."""
    path = tmp_path / "calls.jsonl"
    path.write_bytes(lines(CALLS) + b"broken\n" + line(7))
    return path


def totals(url: DatabaseUrl) -> tuple[int, ...]:
    with connect(url) as connection:
        row = connection.execute(TOTALS).fetchone()
    assert row is not None
    return tuple(row)


def spawn(url: DatabaseUrl, home: Path, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, import_process.__file__, "import", url.libpq(), str(home), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def results_of(processes: list[subprocess.Popen[str]]) -> list[list[int]]:
    """What each process says it landed, found there and rejected, once all are done."""
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(text.splitlines()[-1]) for text in printed]


def test_an_import_killed_anywhere_is_finished_by_the_next(
    warehouse: DatabaseUrl, calls: Path, tmp_path: Path
) -> None:
    rng = random.Random(5)
    for _ in range(5):
        process = spawn(warehouse, tmp_path / "home", calls)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(timeout=rng.uniform(0.1, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    landed, bodies, ids, _ = totals(warehouse)
    assert landed == bodies == ids
    summary = Importer(tmp_path / "home", warehouse)(calls)
    assert (summary.landed, summary.already_there, summary.rejected) == (CALLS - landed, landed + 1, 1)
    assert totals(warehouse) == (CALLS, CALLS, CALLS, 1)


def test_two_imports_of_one_file_at_once_land_one_set_of_rows(
    warehouse: DatabaseUrl, calls: Path, tmp_path: Path
) -> None:
    both = [spawn(warehouse, tmp_path / "home", calls) for _ in range(2)]
    results = results_of(both)
    assert sum(landed for landed, _, _ in results) == CALLS
    assert [sum(result) for result in results] == [CALLS + 2] * 2
    assert totals(warehouse) == (CALLS, CALLS, CALLS, 1)


def test_two_imports_that_overlap_in_opposite_order_do_not_block_each_other(
    warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    forth, back = tmp_path / "forth.jsonl", tmp_path / "back.jsonl"
    forth.write_bytes(lines(CALLS))
    back.write_bytes(b"\n".join(reversed(lines(CALLS).splitlines())))
    both = [spawn(warehouse, tmp_path / "home", path) for path in (forth, back)]
    results = results_of(both)
    assert sum(landed for landed, _, _ in results) == CALLS
    assert totals(warehouse) == (CALLS, CALLS, CALLS, 0)


def test_a_lost_connection_is_one_line_and_the_next_run_finishes(
    warehouse: DatabaseUrl, maintenance_url: DatabaseUrl, calls: Path, tmp_path: Path
) -> None:
    run = Importer(tmp_path / "home", warehouse)
    with connect(maintenance_url, autocommit=True) as maintenance:
        failed = fail_while(run, calls, lambda: kill_backends(maintenance, warehouse))
    assert "run the same import again to finish" in str(failed)
    assert "\n" not in str(failed)
    landed = totals(warehouse)[0]
    assert landed >= failed.summary.landed
    summary = run(calls)
    assert (summary.landed, summary.rejected) == (CALLS - landed, 1)
    assert totals(warehouse) == (CALLS, CALLS, CALLS, 1)


@pytest.mark.slow
def test_a_server_stopped_in_the_middle_loses_nothing(calls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    server = start_embedded(folder)
    migrate(server.url)
    run = Importer(tmp_path / "home", server.url)
    failed = fail_while(run, calls, lambda: (server.stop(), True)[1])
    assert "\n" not in str(failed)
    server = start_embedded(folder)
    try:
        summary = Importer(tmp_path / "home", server.url)(calls)
        assert summary.landed + summary.already_there == CALLS + 1
        assert summary.landed <= CALLS - failed.summary.landed
        assert totals(server.url) == (CALLS, CALLS, CALLS, 1)
    finally:
        server.stop()


def test_no_database_at_all_is_one_line(calls: Path, tmp_path: Path) -> None:
    nowhere = DatabaseUrl(host=str(tmp_path), dbname="nothing")
    with pytest.raises(ImportFailedError, match="0 calls") as failed:
        Importer(tmp_path / "home", nowhere)(calls)
    assert "\n" not in str(failed.value)


def test_a_full_disk_for_the_rejects_stops_no_call(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(lines(100) + b"broken " * 300 + b"\n" + line(100))
    command = [sys.executable, import_process.__file__, "import", warehouse.libpq(), str(tmp_path), str(path)]
    # The limit holds for every file of the process, those of a coverage measurement too.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert done.returncode == 1
    assert "cannot be written (File too large); see raw.dead_letters" in done.stderr.splitlines()[-1]
    assert totals(warehouse)[0] == 101
    assert totals(warehouse)[3] == 1


def test_memory_stays_flat_however_long_the_file(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with path.open("wb") as file:
        for number in range(30_000):
            file.write(line(number, output_text="x" * 2000))
    # VmHWM, not ru_maxrss: that one is inherited from whoever started the process.
    code = (
        "import sys; from pathlib import Path; from tests.ingest.import_process import main;"
        "main(*sys.argv[1:]); status = Path('/proc/self/status').read_text();"
        "print(int(status.partition('VmHWM:')[2].split()[0]) // 1024)"
    )
    command = [sys.executable, "-c", code, "import", warehouse.libpq(), str(tmp_path / "home"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 250


def fail_while(run: Importer, path: Path, strike: Callable[[], bool]) -> ImportFailedError:
    """Import `path` and `strike` once the first rows have landed; the import has to fail."""
    outcome = list[ImportSummary | ImportFailedError]()
    started = threading.Event()

    def work() -> None:
        try:
            outcome.append(
                import_files([path], settings=run.settings, url=run.url, progress=lambda _: started.set())
            )
        except ImportFailedError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    deadline = time.monotonic() + 30
    while not strike():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    thread.join(60)
    (failed,) = outcome
    assert isinstance(failed, ImportFailedError)
    return failed


def kill_backends(maintenance: psycopg.Connection[TupleRow], url: DatabaseUrl) -> bool:
    """Kill the import's connection once it is at work."""
    query = """
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'lqo import' and datname = %s and backend_xid is not null
    """
    return bool(maintenance.execute(query, (url.dbname,)).fetchall())
