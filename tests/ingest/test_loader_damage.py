"""Segments that are damaged: what can be read lands, and what cannot is said once."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.loader import LoaderResult, run_loader
from ingest.loading import drain
from ingest.loading.salvage import read_batch
from ingest.settings import Settings
from ingest.spool.reader import Batch, Segment, list_segments
from ingest.spool.writer import Spool
from tests.ingest.landed_rows import count, rows
from tests.ingest.spool_calls import end, start, write

Connection = psycopg.Connection[TupleRow]


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
