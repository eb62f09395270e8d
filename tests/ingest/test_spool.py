"""The spool: what is acknowledged is on disk, in order, and a reader beside the writer sees it."""

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from ingest.spool.owner import SpoolBusyError, current_owner
from ingest.spool.reader import (
    Entry,
    list_segments,
    low_watermark,
    read_records,
    read_spool_id,
    unlink_sealed,
)
from ingest.spool.records import End, Part, Start
from ingest.spool.writer import Spool, SpoolRefusedError
from ingest.uuid7 import uuid7


def start(request: bytes = b"{}") -> Start:
    return Start(
        call_id=uuid7(),
        started_at_ns=time.time_ns(),
        endpoint="/v1/chat/completions",
        provider="openai",
        requested_model="m",
        request=request,
    )


def end(call_id: UUID, response: bytes = b"") -> End:
    return End(call_id=call_id, ended_at_ns=time.time_ns(), status="ok", http_status=200, response=response)


def everything(directory: Path) -> list[Entry]:
    found: list[Entry] = []
    for segment in list_segments(directory):
        batch = read_records(segment, limit=10**6)
        assert batch.segment.fault is None
        found += batch.entries
    return found


async def until(fact: Callable[[], bool], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool")
    yield spool
    spool.close()


async def test_a_reader_sees_a_record_as_soon_as_its_append_is_done(spool: Spool) -> None:
    first = start("안녕 🎈".encode())
    await spool.append(first)
    (entry,) = everything(spool.directory)
    assert entry.record == first
    assert entry.call_id == first.call_id.bytes
    last = end(first.call_id, b"\x00\xff")
    await spool.append(Part(call_id=first.call_id, number=1, response=b"data: x\n\n"))
    await spool.append(last)
    assert [type(e.record).__name__ for e in everything(spool.directory)] == ["Start", "Part", "End"]
    assert [e.seq for e in everything(spool.directory)] == [1, 2, 3]


async def test_appends_of_one_tick_share_one_commit(spool: Spool) -> None:
    await asyncio.gather(*(spool.append(start()) for _ in range(100)))
    assert spool.counters.commits == 1
    assert len(everything(spool.directory)) == 100


async def test_a_full_segment_is_sealed_and_the_next_goes_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "한글 공간 #?", rotate_bytes=20_000)
    for _ in range(30):
        await spool.append(start(b"x" * 2_000))
        await asyncio.sleep(0.005)
    await until(lambda: spool.unsealed_segments == 0)
    segments = list_segments(spool.directory)
    assert len(segments) > 2
    assert [s.number for s in segments] == sorted(s.number for s in segments)
    sealed = [s for s in segments if s.is_sealed]
    assert all(s.row_count and s.row_count == s.last_seq for s in sealed)
    assert all(not s.path.with_name(s.path.name + "-wal").exists() for s in sealed)
    assert len(everything(spool.directory)) == 30
    spool.close()
    assert len(everything(spool.directory)) == 30
    assert all(s.is_sealed for s in list_segments(spool.directory))


async def test_an_idle_segment_is_sealed_after_its_time_and_an_empty_one_never(tmp_path: Path) -> None:
    spool = Spool(tmp_path, rotate_seconds=0.2)
    await spool.append(start())
    await until(lambda: any(s.is_sealed for s in list_segments(tmp_path)))
    rotations = spool.counters.rotations
    await asyncio.sleep(2.2)
    assert spool.counters.rotations == rotations == 1
    spool.close()


async def test_a_segment_is_listed_once_its_predecessor_is_finished(tmp_path: Path) -> None:
    spool = Spool(tmp_path, rotate_bytes=1_000)
    assert list_segments(tmp_path) == ()
    await spool.append(start())
    await until(lambda: spool._keeper._prepared is not None)
    (only,) = list_segments(tmp_path)
    await spool.append(start(bytes(1_000)))
    assert [s.number for s in list_segments(tmp_path)] == [only.number]
    await spool.append(start())
    assert [s.number for s in list_segments(tmp_path)] == [only.number, only.number + 1]
    assert len(everything(tmp_path)) == 3
    spool.close()


async def test_batches_page_through_a_segment_while_it_is_written(spool: Spool) -> None:
    sent = [start(bytes(1000)) for _ in range(25)]
    for record in sent:
        await spool.append(record)
    segment = next(s for s in list_segments(spool.directory) if read_records(s).entries)
    first = read_records(segment, limit=10)
    assert (len(first.entries), first.is_end) == (10, False)
    by_size = read_records(segment, after_seq=10, max_bytes=3_000)
    assert (len(by_size.entries), by_size.is_end) == (3, False)
    rest = read_records(segment, after_seq=13)
    assert (len(rest.entries), rest.is_end) == (12, True)
    assert [e.record for e in first.entries + by_size.entries + rest.entries] == sent


async def test_a_second_proxy_is_refused_with_one_line(spool: Spool) -> None:
    with pytest.raises(SpoolBusyError, match=r"owned by another proxy \(pid \d+\)") as refused:
        Spool(spool.directory)
    assert "\n" not in str(refused.value)


async def test_the_id_stays_and_the_owner_changes(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    await first.append(start())
    owner = current_owner(tmp_path)
    segment = next(s for s in list_segments(tmp_path) if read_records(s).entries)
    assert owner is not None
    assert segment.owner == owner
    assert not segment.is_abandoned(owner)
    first.close()
    assert current_owner(tmp_path) is None
    second = Spool(tmp_path)
    assert second.spool_id == first.spool_id == read_spool_id(tmp_path)
    assert current_owner(tmp_path) != owner
    assert segment.is_abandoned(current_owner(tmp_path))
    second.close()


async def test_the_watermark_waits_for_open_calls(spool: Spool) -> None:
    opened = start()
    await spool.append(opened)
    assert spool.low_watermark == opened.started_at_ns
    spool.start_beating()
    assert low_watermark(spool.directory) == opened.started_at_ns
    await spool.append(end(opened.call_id))
    spool.start_beating()
    published = low_watermark(spool.directory)
    assert published is not None
    assert published > opened.started_at_ns
    assert spool.open_calls == 0


KILLED_WRITER = """
import asyncio, sys, time
from pathlib import Path
from ingest.spool.records import Start
from ingest.spool.writer import Spool
from ingest.uuid7 import uuid7

async def main():
    spool = Spool(Path(sys.argv[1]), rotate_bytes=200_000)
    while True:
        calls = [Start(call_id=uuid7(), started_at_ns=time.time_ns(), endpoint="e", provider="p",
                       requested_model="m", request=b"x" * 500) for _ in range(5)]
        await asyncio.gather(*(spool.append(c) for c in calls))
        sys.stdout.write("".join(f"{c.call_id}\\n" for c in calls)); sys.stdout.flush()
        await asyncio.sleep(0)

asyncio.run(main())
"""


def killed_writer(directory: Path, *, lines: int) -> set[UUID]:
    """Run a writer, kill -9 it after it acknowledged `lines` records; what it acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED_WRITER), str(directory)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        acknowledged = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        acknowledged += process.stdout.readlines()
    process.wait()
    return {UUID(line.decode().strip()) for line in acknowledged if len(line) == 37}


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    acknowledged: set[UUID] = set()
    for lines in (50, 900, 333):
        acknowledged |= killed_writer(tmp_path, lines=lines)
        assert current_owner(tmp_path) is None
        assert acknowledged <= {UUID(bytes=e.call_id) for e in everything(tmp_path)}
    Spool(tmp_path).close()
    segments = list_segments(tmp_path)
    assert all(s.is_sealed and s.fault is None for s in segments)
    assert acknowledged <= {UUID(bytes=e.call_id) for e in everything(tmp_path)}


def test_a_flipped_bit_in_the_wal_is_reported(tmp_path: Path) -> None:
    killed_writer(tmp_path, lines=100)
    wal = max(tmp_path.glob("*-wal"), key=lambda p: p.stat().st_size)
    damaged = bytearray(wal.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    wal.write_bytes(damaged)
    for shm in tmp_path.glob("*-shm"):
        shm.unlink()
    Spool(tmp_path).close()
    (fault,) = [s.fault for s in list_segments(tmp_path) if s.fault]
    assert "unreadable" in fault


async def test_rows_missing_from_a_sealed_segment_are_reported(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await asyncio.gather(*(spool.append(start()) for _ in range(5)))
    spool.close()
    (segment,) = list_segments(tmp_path)
    with sqlite3.connect(segment.path) as connection:
        connection.execute("delete from records where seq = 5")
    connection.close()
    batch = read_records(segment)
    assert len(batch.entries) == 4
    assert batch.segment.fault == "sealed with 5 records up to seq 5, holds 4 up to 4"
    with sqlite3.connect(segment.path) as connection:
        connection.execute("delete from records where seq = 2")
    connection.close()
    assert read_records(segment).segment.fault == "1 records are missing between seq 0 and 4"


async def test_a_file_that_is_no_database_is_listed_with_its_fault(tmp_path: Path) -> None:
    (tmp_path / f"0000000007-{UUID(int=7)}.sqlite").write_bytes(b"garbage" * 1000)
    (tmp_path / "notes.sqlite").write_bytes(b"not a segment")
    (segment,) = list_segments(tmp_path)
    assert segment.uuid == UUID(int=7)
    assert segment.fault == "unreadable: file is not a database"
    assert read_records(segment).segment.fault is not None
    spool = Spool(tmp_path)
    await spool.append(start())
    assert [s.number for s in list_segments(tmp_path)] == [7, 8]
    spool.close()


async def test_a_payload_that_does_not_decode_is_an_entry_with_an_error(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.append(start())
    spool.close()
    (segment,) = list_segments(tmp_path)
    with sqlite3.connect(segment.path) as connection:
        connection.execute("update records set payload = x'00ff'")
    connection.close()
    (entry,) = read_records(segment).entries
    assert entry.record is None
    assert entry.error is not None
    assert entry.payload == b"\x00\xff"


async def test_a_sealed_segment_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.append(start())
    spool.close()
    (segment,) = list_segments(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert len(read_records(segment).entries) == 1
    assert sorted(tmp_path.iterdir()) == before
    Spool(tmp_path).close()
    assert list_segments(tmp_path) == (segment,)
    assert sorted(tmp_path.iterdir()) == before


async def test_only_loaded_sealed_segments_of_enough_age_are_unlinked(tmp_path: Path) -> None:
    spool = Spool(tmp_path, rotate_bytes=1)
    for _ in range(3):
        await spool.append(start())
        await until(lambda: spool.unsealed_segments == 0)
        await asyncio.sleep(0.05)
    sealed = [s for s in list_segments(tmp_path) if s.is_sealed]
    assert len(sealed) >= 2
    loaded = {s.uuid for s in sealed[:-1]}
    everyone = {s.uuid for s in list_segments(tmp_path)}
    assert unlink_sealed(tmp_path, loaded=everyone, keep_hours=1.0) == ()
    gone = unlink_sealed(tmp_path, loaded=loaded, keep_hours=0.0)
    assert set(gone) == {s.path for s in sealed[:-1]}
    spool.close()
    left = list_segments(tmp_path)
    assert unlink_sealed(tmp_path, loaded={s.uuid for s in left}, keep_hours=24, max_bytes=1) == tuple(
        s.path for s in left
    )


async def test_a_start_is_refused_while_the_disk_is_almost_full_and_ends_still_go_in(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    opened = start()
    await spool.append(opened)
    spool._min_free_bytes = 1 << 62
    spool.start_beating()
    with pytest.raises(SpoolRefusedError, match="almost full"):
        await spool.append(start())
    await spool.append(end(opened.call_id))
    spool._min_free_bytes = 0
    spool.start_beating()
    await spool.append(start())
    assert len(everything(tmp_path)) == 3
    assert spool.counters.refused == 1
    spool.close()


async def test_an_end_the_disk_refused_is_written_once_it_can_be(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    opened = start()
    await spool.append(opened)
    spool._live._connection.execute("pragma max_page_count = 1")
    with pytest.raises(SpoolRefusedError, match="full"):
        await spool.append(end(opened.call_id, bytes(100_000)))
    with pytest.raises(SpoolRefusedError, match="full"):
        await spool.append(start(bytes(100_000)))
    assert (spool.deferred_ends, spool.open_calls) == (1, 1)
    spool._live._connection.execute("pragma max_page_count = 1000000")
    spool.start_beating()
    assert (spool.deferred_ends, spool.open_calls) == (0, 0)
    assert [type(e.record).__name__ for e in everything(tmp_path)] == ["Start", "End"]
    spool.close()
