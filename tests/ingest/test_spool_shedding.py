"""A disk that runs full: bodies go first, then calls are refused or served unlogged, and all is counted."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.loader import LoaderResult
from ingest.spool import large
from ingest.spool.records import Delivery, Part, Start, Stored
from ingest.spool.room import Levels
from ingest.spool.writer import Spool, SpoolRefusedError
from ingest.uuid7 import uuid7
from tests.ingest.landed_rows import rows
from tests.ingest.spool_calls import end, entries_in, start, until, write

BIG = bytes(1 << 20)


async def test_below_the_first_level_bodies_are_shed_and_the_calls_still_land(
    spool: Spool, load: Callable[..., LoaderResult], connection: psycopg.Connection[TupleRow]
) -> None:
    spool.room.levels = Levels(shed=1 << 62, refuse=0)
    call = start()
    await write(spool, call, end(call))
    assert spool.is_shedding
    assert spool.is_accepting
    assert spool.counters.shed == 2
    first = entries_in(spool.directory)[0].record
    assert isinstance(first, Start)
    assert (first.request, first.body_state, first.requested_model) == (b"", "shed", "gpt-4o")
    assert load() == LoaderResult(landed=1)
    assert rows(connection, "status, body_state, request, output_text") == [("ok", "shed", None, None)]


async def test_a_body_the_disk_refuses_is_shed_and_a_delivery_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(directory: Path, data: bytes, *, is_synced: bool) -> Stored:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(large, "write_body", refuse)
    spool = Spool(tmp_path)
    call = start(request=BIG)
    await write(spool, call, end(call))
    with pytest.raises(SpoolRefusedError, match="No space left"):
        await spool.append(Delivery(call_id=uuid7(), source="import", lines=(BIG,)))
    states = [getattr(entry.record, "body_state", "") for entry in entries_in(tmp_path)]
    assert states == ["shed", "full"]
    assert (spool.counters.shed, spool.counters.refused) == (1, 1)
    spool.close()


async def test_calls_that_cannot_be_logged_are_served_and_counted_where_so_configured(tmp_path: Path) -> None:
    spool = Spool(tmp_path, on_full="serve")
    logged, unlogged = start(), start()
    await spool.append(logged)
    spool.room.levels = Levels(shed=0, refuse=1 << 62)
    await write(spool, unlogged, Part(call_id=unlogged.call_id, number=1, response=b"x"), end(unlogged))
    await spool.append(end(logged))
    with pytest.raises(SpoolRefusedError):
        await spool.append(Delivery(call_id=uuid7(), source="import", lines=(b"{}",)))
    assert spool.is_accepting
    assert not spool.is_writable
    assert (spool.counters.unlogged, spool.counters.refused) == (1, 2)
    assert {entry.call_id for entry in entries_in(tmp_path)} == {logged.call_id.bytes}
    assert spool.open_calls == 0
    spool.close()


async def test_a_commit_that_fails_is_served_and_counted_and_its_end_is_not_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path, on_full="serve")
    await spool.append(start())
    connection = spool._log._live._connection
    connection.execute("pragma max_page_count = 1")
    call = start(request=bytes(100_000))
    await spool.append(call)
    assert not spool.is_writable
    connection.execute("pragma max_page_count = 1000000")
    await spool.append(end(call))
    assert spool.counters.unlogged == 1
    assert call.call_id.bytes not in {entry.call_id for entry in entries_in(tmp_path)}
    spool.start_beating()
    assert spool.is_writable
    spool.close()


async def test_the_spool_says_how_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path, levels=Levels(shed=0, refuse=0))
    assert (spool.unsealed_seconds, spool.unloaded_seconds, spool.room.hours_left) == (0.0, None, None)
    call = start(request=BIG)
    await write(spool, call, end(call))
    await until(lambda: spool.unsealed_seconds > 0)
    spool.room._looked_at -= 10
    spool.room.look()
    assert spool.room.hours_left is not None
    assert 0 < spool.room.hours_left < 10**6
    spool._keeper._measured_at = 0.0
    spool._keeper._work.set()
    await until(lambda: spool.bytes_on_disk > len(BIG))
    assert spool.quarantined_segments == 0
    assert spool.room.free_bytes > 0
    spool.close()
