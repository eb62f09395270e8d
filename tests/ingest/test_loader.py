"""The loader: what stands in the spool lands once, with its checkpoint, whatever breaks on the way."""

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.landing.content import decompress
from ingest.loader import LoaderError, LoaderResult, run_loader
from ingest.loading.assembly import moment
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest.landed_rows import count, rows
from tests.ingest.spool_calls import ANSWER, end, start, wait_for, write

Connection = psycopg.Connection[TupleRow]


async def test_a_call_lands_with_what_client_and_provider_said(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    observer = {"project": "shop", "user_id": "u1", "prompt_version": "3", "tags": '{"team":"search"}'}
    call = start(observer=observer, purpose="demo", key_id="k1")
    await write(spool, call, end(call))
    assert load() == LoaderResult(landed=1)
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        query = "select * from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)"
        row = cursor.execute(query).fetchone()
    assert row is not None
    expected = {
        "call_id": call.call_id,
        "source": "proxy",
        "served_model": "gpt-4o-2024-08-06",
        "project": "shop",
        "user_id": "u1",
        "prompt_version": "3",
        "tags": {"team": "search"},
        "purpose": "demo",
        "key_id": "k1",
        "status": "ok",
        "finish_reason": "stop",
        "latency_ms": 12.5,
        "usage": ANSWER["usage"],
        "input_text": "6 times 7?",
        "output_text": "42",
        "body_state": "full",
    }
    assert {name: row[name] for name in expected} == expected
    assert row["attempts"] == [
        {"provider": "openai", "model": "gpt-4o", "status": 200, "usage": ANSWER["usage"]}
    ]
    assert decompress(row["request"]) == call.request
    assert row["started_at"] == moment(call.started_at_ns // 1_000_000 * 1_000_000)


async def test_a_second_run_and_a_replay_change_nothing(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    calls = [start() for _ in range(30)]
    await write(spool, *calls, *(end(call) for call in calls))
    assert load() == LoaderResult(landed=30)
    hours = count(connection, "raw.dirty_hours")
    assert load() == LoaderResult()
    spool.close()
    assert load(replay=True) == LoaderResult(already_there=30)
    assert load(replay=True) == LoaderResult(already_there=30)
    assert (count(connection, "raw.llm_calls"), count(connection, "raw.dirty_hours")) == (30, hours)
    assert count(connection, "ingest.open_calls") == 0


async def test_a_replay_finds_what_a_lost_warehouse_lacks(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    calls = [start() for _ in range(10)]
    await write(spool, *calls, *(end(call) for call in calls))
    load()
    connection.execute("delete from raw.llm_calls where call_id = any (%s)", [[c.call_id for c in calls[:4]]])
    connection.commit()
    assert load(replay=True) == LoaderResult(landed=4, already_there=6)


async def test_adopting_drains_a_left_behind_spool_and_deletes_nothing(
    spool: Spool, warehouse: DatabaseUrl, connection: Connection, tmp_path: Path
) -> None:
    calls = [start() for _ in range(5)]
    await write(spool, *calls, *(end(call) for call in calls[:4]))
    spool.close()
    before = sorted(path.name for path in spool.directory.iterdir())
    here = Settings(home=tmp_path / "another machine", spool_keep_hours=0)
    assert run_loader(here, warehouse, adopt=spool.directory) == LoaderResult(landed=5)
    assert [status for _, status in rows(connection)] == ["ok"] * 4 + ["interrupted"]
    left = sorted(path.name for path in spool.directory.iterdir() if not path.name.endswith(("-shm", "-wal")))
    assert left == [name for name in before if not name.endswith(("-shm", "-wal"))]
    assert count(connection, "ingest.spools where retired_at is not null") == 1


def test_a_spool_that_nobody_wrote_is_empty(load: Callable[..., LoaderResult]) -> None:
    assert load() == LoaderResult()


async def test_two_loaders_at_once_land_each_call_once(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    calls = [start() for _ in range(300)]
    await write(spool, *(record for call in calls for record in (call, end(call))))
    results = list[LoaderResult]()
    threads = [threading.Thread(target=lambda: results.append(load())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(result.landed for result in results) == 300
    assert count(connection, "raw.llm_calls") == 300


async def test_a_loader_outlives_its_connection(
    settings: Settings, spool: Spool, warehouse: DatabaseUrl, connection: Connection
) -> None:
    with running(settings, warehouse) as results:
        for _ in range(5):
            call = start()
            await write(spool, call, end(call))
            wait_for(lambda: kill_loader(connection))
            call = start()
            await write(spool, call, end(call))
        wait_for(lambda: count(connection, "raw.llm_calls") == 10)
    assert len(results) == 1
    assert count(connection, "raw.loads") == 1


def test_a_loader_that_runs_once_gives_up_in_one_line(settings: Settings, tmp_path: Path) -> None:
    nowhere = DatabaseUrl(host=str(tmp_path), dbname="nothing")
    with pytest.raises(LoaderError) as failed:
        run_loader(settings, nowhere, once=True)
    assert "\n" not in str(failed.value)


class running:  # noqa: N801
    """A loader in a thread; what it returned when it was stopped."""

    def __init__(self, settings: Settings, url: DatabaseUrl) -> None:
        self._stop = threading.Event()
        self._results = list[LoaderResult]()
        self._thread = threading.Thread(
            target=lambda: self._results.append(run_loader(settings, url, stop=self._stop))
        )

    def __enter__(self) -> list[LoaderResult]:
        self._thread.start()
        return self._results

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)


def kill_loader(connection: Connection) -> bool:
    query = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lqo loader'"
    killed = connection.execute(f"{query} and datname = current_database()").fetchall()
    connection.rollback()
    return bool(killed)
