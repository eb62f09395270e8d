"""The loader: what stands in the spool lands once, with its checkpoint, whatever breaks on the way."""

import json
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.landing.content import decompress
from ingest.loader import LoaderError, LoaderResult, run_loader
from ingest.loading import drain
from ingest.loading.assembly import moment
from ingest.loading.salvage import read_batch
from ingest.settings import Settings
from ingest.spool.reader import Batch, Segment, list_segments
from ingest.spool.records import Part, Record
from ingest.spool.writer import Spool
from tests.ingest.spool_calls import ANSWER, end, start, wait_for

Connection = psycopg.Connection[TupleRow]


def chunk(text: str) -> bytes:
    data = {"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": text}}]}
    return f"data: {json.dumps(data)}\n\n".encode()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
async def spool(settings: Settings) -> AsyncIterator[Spool]:
    opened = Spool(settings.spool)
    yield opened
    opened.close()


@pytest.fixture
def load(settings: Settings, warehouse: DatabaseUrl) -> Callable[..., LoaderResult]:
    def once(**options: object) -> LoaderResult:
        return run_loader(settings, warehouse, once=True, **options)  # pyright: ignore[reportArgumentType]

    return once


async def write(spool: Spool, *records: Record) -> None:
    for done in [spool.append(record) for record in records]:
        await done


def rows(connection: Connection, columns: str = "call_id, status") -> list[TupleRow]:
    query = f"select {columns} from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)"
    found = connection.execute(f"{query} order by started_at").fetchall()  # pyright: ignore[reportArgumentType]
    connection.rollback()
    return found


def count(connection: Connection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()  # pyright: ignore[reportArgumentType]
    connection.rollback()
    assert row is not None
    return row[0]


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


async def test_a_call_that_goes_on_waits_for_its_end(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    call = start(is_streamed=True)
    await write(spool, call, Part(call_id=call.call_id, number=1, response=chunk("Hel")))
    assert load() == LoaderResult()
    assert count(connection, "ingest.open_calls") == 2
    await write(spool, Part(call_id=call.call_id, number=2, response=chunk("lo, ")))
    assert load() == LoaderResult()
    await write(spool, end(call, response=chunk("you") + b"data: [DONE]\n\n"))
    assert load() == LoaderResult(landed=1)
    assert rows(connection, "status, output_text") == [("ok", "Hello, you")]
    assert count(connection, "ingest.open_calls") == 0


async def test_a_call_whose_proxy_is_gone_lands_as_interrupted_with_its_text(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    call = start(is_streamed=True)
    await write(spool, call, Part(call_id=call.call_id, number=1, response=chunk("half a sen")))
    load()
    spool.close()
    assert load() == LoaderResult(landed=1)
    assert rows(connection, "status, output_text, ended_at") == [("interrupted", "half a sen", None)]
    assert load() == LoaderResult()
    assert load(replay=True) == LoaderResult(already_there=1)


async def test_the_next_proxy_of_a_spool_does_not_keep_old_calls_open(
    settings: Settings, spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    old, new = start(), start()
    await write(spool, old)
    load()
    spool.close()
    successor = Spool(settings.spool)
    await write(successor, new)
    assert load() == LoaderResult(landed=1)
    assert rows(connection) == [(old.call_id, "interrupted")]
    await write(successor, end(new))
    assert load() == LoaderResult(landed=1)
    successor.close()
    assert rows(connection) == [(old.call_id, "interrupted"), (new.call_id, "ok")]


async def test_a_late_end_completes_a_call_that_was_given_up(
    spool: Spool,
    load: Callable[..., LoaderResult],
    warehouse: DatabaseUrl,
    connection: Connection,
    tmp_path: Path,
) -> None:
    call = start(is_streamed=True, observer={"project": "shop"})
    await write(spool, call, Part(call_id=call.call_id, number=1, response=chunk("Hello, ")))
    load()
    copy = tmp_path / "copy of a living spool"
    shutil.copytree(spool.directory, copy)
    assert run_loader(Settings(home=tmp_path / "elsewhere"), warehouse, adopt=copy) == LoaderResult(landed=1)
    assert rows(connection) == [(call.call_id, "interrupted")]
    await write(spool, end(call, response=chunk("you")))
    assert load() == LoaderResult(landed=1)
    assert rows(connection, "status, output_text, project") == [("ok", "Hello, you", "shop")]


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


async def test_the_watermark_follows_the_spool_and_waits_for_open_calls(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    query = "select low_watermark, retired_at is null from ingest.spools"
    spool.start_beating()
    load()
    first = connection.execute(query).fetchall()
    connection.rollback()
    call = start()
    await write(spool, call)
    spool.start_beating()
    load()
    ((second, is_live),) = connection.execute(query).fetchall()
    connection.rollback()
    assert is_live
    assert first[0][0] <= second <= moment(call.started_at_ns)
    spool.close()
    load()
    ((third, is_live),) = connection.execute(query).fetchall()
    assert third > moment(call.started_at_ns)
    assert not is_live


async def test_a_segment_that_cannot_be_read_now_holds_back_those_behind_it(
    spool: Spool,
    load: Callable[..., LoaderResult],
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = start()
    await write(spool, call)
    spool.close()
    following = Spool(spool.directory)
    await write(following, end(call))
    following.close()
    locked = [list_segments(spool.directory)[0].uuid]

    def read(segment: Segment, *, after_seq: int) -> Batch:
        if segment.uuid in locked:
            locked.remove(segment.uuid)
            return Batch(replace(segment, fault="unreadable: database is locked"), (), is_end=True)
        return read_batch(segment, after_seq=after_seq)

    monkeypatch.setattr(drain, "read_batch", read)

    assert load() == LoaderResult(landed=1)
    assert rows(connection) == [(call.call_id, "ok")]
    assert count(connection, "raw.dead_letters") == 0


async def test_sealed_segments_go_once_they_are_loaded(
    settings: Settings, spool: Spool, warehouse: DatabaseUrl
) -> None:
    call = start()
    await write(spool, call, end(call))
    spool.close()
    keep = Settings(home=settings.home, spool_keep_hours=1)
    run_loader(keep, warehouse, once=True)
    assert len(list_segments(spool.directory)) == 1
    run_loader(Settings(home=settings.home, spool_keep_hours=0), warehouse, once=True)
    assert list_segments(spool.directory) == ()


async def test_a_record_that_is_none_is_buried_and_the_others_land(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    calls = [start() for _ in range(3)]
    await write(spool, *calls, *(end(call) for call in calls))
    orphan = start()
    await write(spool, end(orphan))
    spool.close()
    (segment,) = list_segments(spool.directory)
    with sqlite3.connect(segment.path) as raw:
        raw.execute("update records set payload = x'c1c1' where seq = 2")
    raw.close()
    assert load() == LoaderResult(landed=2, rejected=3)
    query = "select reason, position, source from raw.dead_letters order by reason, position"
    name = segment.path.name
    assert connection.execute(query).fetchall() == [
        ("unreadable_record", f"{name} seq 2", "proxy"),
        ("without_start", f"{name} seq 5", "proxy"),
        ("without_start", f"{name} seq 7", "proxy"),
    ]
    assert load(replay=True) == LoaderResult(already_there=2, rejected=3)
    assert count(connection, "raw.dead_letters") == 3


async def test_a_broken_seal_is_reported_and_the_readable_rows_land(
    settings: Settings, spool: Spool, warehouse: DatabaseUrl, connection: Connection
) -> None:
    calls = [start() for _ in range(4)]
    await write(spool, *(record for call in calls for record in (call, end(call))))
    spool.close()
    (segment,) = list_segments(spool.directory)
    with sqlite3.connect(segment.path) as raw:
        raw.execute("delete from records where seq > 6")
    raw.close()
    settings = Settings(home=settings.home, spool_keep_hours=0)
    assert run_loader(settings, warehouse, once=True) == LoaderResult(landed=3, rejected=1)
    problem = connection.execute("select problem, finished_at is not null from ingest.segments").fetchone()
    assert problem == ("sealed with 8 records up to seq 8, holds 6 up to 6", True)
    assert count(connection, "raw.dead_letters where reason = 'damaged_segment'") == 1
    assert run_loader(settings, warehouse, once=True) == LoaderResult()
    assert segment.path.exists()


async def test_rows_around_a_damaged_page_land(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    calls = [start() for _ in range(60)]
    await write(spool, *(record for call in calls for record in (call, end(call))))
    spool.close()
    (segment,) = list_segments(spool.directory)
    data = bytearray(segment.path.read_bytes())
    page = len(data) // 4096 // 2
    data[page * 4096 : page * 4096 + 4096] = bytes(4096)
    segment.path.write_bytes(data)
    result = load()
    landed = count(connection, "raw.llm_calls where status = 'ok'")
    assert 40 <= landed < 60
    assert result.landed >= landed
    assert count(connection, "ingest.segments where problem is not null") == 1


async def test_a_file_that_is_no_database_is_reported_once(
    spool: Spool, load: Callable[..., LoaderResult], connection: Connection
) -> None:
    call = start()
    await write(spool, call, end(call))
    junk = spool.directory / f"0000000000-{UUID(int=1)}.sqlite"
    junk.write_bytes(b"junk" * 5000)
    assert load() == LoaderResult(landed=1, rejected=1)
    assert load() == LoaderResult()
    assert count(connection, "ingest.segments where problem like 'unreadable%%'") == 1


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
