"""Loaders that are killed, and servers that go away under them: the spool holds it all, and it lands once."""

import asyncio
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ingest.database.connect import connect
from ingest.database.embedded import start_embedded
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl
from ingest.loader import pause_after, run_loader
from ingest.loading.metrics import LoaderMetrics
from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest import import_process
from tests.ingest.spool_calls import end, start, wait_for

CALLS = 4_000


async def fill(settings: Settings, *, calls: int = CALLS, left_open: int = 10) -> None:
    """A spool of small segments with `calls` calls, of which the first `left_open` have no END."""
    spool = Spool(settings.spool, rotate_bytes=200_000)
    for number in range(calls):
        call = start()
        await spool.append(call)
        if number >= left_open:
            await spool.append(end(call))
    spool.close()


def states(url: DatabaseUrl) -> dict[str, int]:
    with connect(url) as connection:
        rows = connection.execute("select status, count(*) from raw.llm_calls group by status").fetchall()
    return dict(rows)


def test_a_loader_killed_anywhere_is_finished_by_the_next(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    settings, rng = Settings(home=tmp_path / "home"), random.Random(3)
    asyncio.run(fill(settings))
    command = [sys.executable, import_process.__file__, "load", warehouse.libpq(), str(settings.home)]
    for _ in range(5):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(timeout=rng.uniform(0.05, 0.8))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    run_loader(settings, warehouse, once=True)
    assert states(warehouse) == {"ok": CALLS - 10, "interrupted": 10}
    replayed = run_loader(settings, warehouse, once=True, replay=True)
    assert replayed == LoaderResult(already_there=CALLS)


@pytest.mark.slow
def test_a_loader_waits_for_a_server_that_is_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, settings, stop = tmp_path / "postgres", Settings(home=tmp_path / "home"), threading.Event()
    server = start_embedded(folder)
    url = server.url
    migrate(url)
    results, metrics = list[LoaderResult](), LoaderMetrics()

    def load() -> None:
        results.append(run_loader(settings, url, stop=stop, metrics=metrics))

    def landed() -> float | None:
        return metrics.registry.get_sample_value("llm_gateway_loader_calls_total", {"outcome": "landed"})

    thread = threading.Thread(target=load)
    thread.start()
    try:
        asyncio.run(fill(settings, calls=500, left_open=0))
        # Not before the loader knows it: a commit whose answer is lost lands, and is not counted.
        wait_for(lambda: landed() == 500)
        assert states(url).get("ok") == 500
        server.stop()
        asyncio.run(fill(settings, calls=500, left_open=0))
        wait_for(lambda: "the spool waits for the database" in caplog.text)
        server = start_embedded(folder)
        if server.url != url:
            pytest.skip("the server came back at another address, where no loader would look for it")
        wait_for(lambda: states(url).get("ok") == 1000, seconds=60)
    finally:
        stop.set()
        thread.join(30)
        server.stop()
    assert [result.landed for result in results] == [1000]


def test_the_pause_stays_at_five_seconds_for_as_long_as_an_outage_lasts() -> None:
    assert [pause_after(n) for n in (1, 2, 5, 1_000, 1_000_000)] == [0.4, 0.8, 5.0, 5.0, 5.0]
