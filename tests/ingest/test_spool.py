"""The spool: what is acknowledged is on disk, in order, and a reader beside the writer sees it."""

import asyncio
from pathlib import Path

import pytest

from ingest.spool.owner import SpoolBusyError, current_owner
from ingest.spool.reader import list_segments, low_watermark, read_records, read_spool_id
from ingest.spool.records import Part
from ingest.spool.writer import Spool
from tests.ingest.spool_calls import end, entries_in, start, until


async def test_a_reader_sees_a_record_as_soon_as_its_append_is_done(spool: Spool) -> None:
    first = start(request="안녕 🎈".encode())
    await spool.append(first)
    (entry,) = entries_in(spool.directory)
    assert entry.record == first
    assert entry.call_id == first.call_id.bytes
    last = end(first, response=b"\x00\xff")
    await spool.append(Part(call_id=first.call_id, number=1, response=b"data: x\n\n"))
    await spool.append(last)
    assert [type(e.record).__name__ for e in entries_in(spool.directory)] == ["Start", "Part", "End"]
    assert [e.seq for e in entries_in(spool.directory)] == [1, 2, 3]


async def test_appends_of_one_tick_share_one_commit(spool: Spool) -> None:
    await asyncio.gather(*(spool.append(start()) for _ in range(100)))
    assert spool.counters.commits == 1
    assert len(entries_in(spool.directory)) == 100


async def test_a_full_segment_is_sealed_and_the_next_goes_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "한글 공간 #?", rotate_bytes=20_000)
    n_calls = 0
    # A thread makes the next segment: until it has, the live one just grows.
    while spool.counters.rotations < 3:
        await spool.append(start(request=b"x" * 2_000))
        n_calls += 1
        await asyncio.sleep(0.005)
    await until(lambda: spool.unsealed_segments == 0)
    segments = list_segments(spool.directory)
    assert len(segments) > 2
    assert [s.number for s in segments] == sorted(s.number for s in segments)
    sealed = [s for s in segments if s.is_sealed]
    assert all(s.row_count and s.row_count == s.last_seq for s in sealed)
    assert all(not s.path.with_name(s.path.name + "-wal").exists() for s in sealed)
    assert len(entries_in(spool.directory)) == n_calls
    spool.close()
    assert len(entries_in(spool.directory)) == n_calls
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
    await spool.append(start(request=bytes(1_000)))
    assert [s.number for s in list_segments(tmp_path)] == [only.number]
    await spool.append(start())
    assert [s.number for s in list_segments(tmp_path)] == [only.number, only.number + 1]
    assert len(entries_in(tmp_path)) == 3
    spool.close()


async def test_batches_page_through_a_segment_while_it_is_written(spool: Spool) -> None:
    sent = [start(request=bytes(1000)) for _ in range(25)]
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
    await spool.append(end(opened))
    spool.start_beating()
    published = low_watermark(spool.directory)
    assert published is not None
    assert published > opened.started_at_ns
    assert spool.open_calls == 0


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
