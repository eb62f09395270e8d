"""The spools of all workers of a home: found, loaded and watched as one."""

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.loader import LoaderError, run_loader
from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from ingest.spool.folders import spool_folder, spool_folders
from ingest.spool.writer import Spool
from tests.ingest.landed_rows import count
from tests.ingest.spool_calls import end, start, wait_for, write

Connection = psycopg.Connection[TupleRow]


async def test_a_running_loader_takes_the_spools_of_workers_that_come_later(
    settings: Settings, spool: Spool, warehouse: DatabaseUrl, connection: Connection
) -> None:
    connection.autocommit = True
    stop = threading.Event()
    results: list[LoaderResult] = []
    loading = threading.Thread(target=lambda: results.append(run_loader(settings, warehouse, stop=stop)))
    loading.start()
    try:
        call = start()
        await write(spool, call, end(call))
        wait_for(lambda: count(connection, "raw.llm_calls") == 1)
        second = Spool(spool_folder(settings.spool, worker=2))
        call, open_call = start(), start()
        await write(second, call, end(call), open_call)
        wait_for(lambda: count(connection, "raw.llm_calls") == 2)
        # Both hold days open, each by its own watermark.
        wait_for(lambda: watched(connection) == (2, 2, 0))
        second.close()
        # The worker is gone and will not end its call: it lands, and the spool holds nothing up any more.
        wait_for(lambda: watched(connection) == (2, 2, 1))
        assert count(connection, "raw.llm_calls") == 3
    finally:
        stop.set()
        loading.join()
    assert results == [LoaderResult(landed=3)]


async def test_the_folders_of_workers_no_longer_run_are_loaded_too(
    settings: Settings, load: Callable[..., LoaderResult]
) -> None:
    for worker in (1, 3, 10):
        spool = Spool(spool_folder(settings.spool, worker=worker))
        call = start()
        await write(spool, call, end(call))
        spool.close()
    (settings.spool / "notes").mkdir()
    (settings.spool / "4").mkdir()
    assert spool_folders(settings.spool) == (settings.spool, settings.spool / "3", settings.spool / "10")
    assert load() == LoaderResult(landed=3)
    assert load() == LoaderResult()
    assert load(replay=True) == LoaderResult(already_there=3)


def test_adopting_what_holds_no_spool_is_one_line(
    settings: Settings, warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    with pytest.raises(LoaderError, match=f"there is no spool in {tmp_path}"):
        run_loader(settings, warehouse, adopt=tmp_path)


def watched(connection: Connection) -> tuple[int, ...]:
    """Spools known, with a watermark, and retired."""
    query = "select count(*), count(low_watermark), count(retired_at) from ingest.spools"
    found = connection.execute(query).fetchone()
    assert found is not None
    return found
