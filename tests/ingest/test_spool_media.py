"""Files that are damaged on the disk: what is whole is read, nothing altered or missing passes as whole."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.loader import LoaderResult
from ingest.spool.reader import Batch, Segment, list_segments, read_records
from ingest.spool.records import Record
from ingest.spool.segment import recover_segment
from ingest.spool.writer import Spool
from tests.ingest.landed_rows import count
from tests.ingest.spool_calls import end, start, write

FRAME = 24 + 4096
N_RECORDS = 6


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """The files of a segment that was never sealed, one commit a record, and its records."""
    folder = tmp_path_factory.mktemp("killed")
    records: list[Record] = [start() for _ in range(N_RECORDS)]

    async def fill() -> None:
        spool = Spool(folder / "spool")
        for record in records:
            await spool.append(record)
        for path in (folder / "spool").glob("0000000001*"):
            shutil.copy(path, folder)
        spool.close()

    asyncio.run(fill())
    for shm in folder.glob("*-shm"):
        shm.unlink()
    return next(folder.glob("*.sqlite")), records


def copy_of(segment: Path, folder: Path, *, wal: bytes) -> Path:
    """A fresh copy of the segment with this write-ahead log."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    shutil.copy(segment, folder)
    copy = folder / segment.name
    copy.with_name(copy.name + "-wal").write_bytes(wal)
    return copy


def wal_of(segment: Path) -> bytes:
    return segment.with_name(segment.name + "-wal").read_bytes()


def recovered(copy: Path) -> Batch:
    recover_segment(copy)
    segments = list_segments(copy.parent)
    if not segments:
        return Batch(Segment(path=copy, uuid=uuid4(), number=1), (), is_end=True)
    return read_records(segments[0])


def test_a_tail_torn_at_any_byte_takes_only_the_record_in_it(
    killed: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    segment, records = killed
    wal = wal_of(segment)
    last, end_of = len(wal) - FRAME, len(wal)
    # Every byte of the frame's and the page's heads, and of the records, which stand at the page's end.
    for cut in (*range(last, last + 80), *range(last + 80, end_of - 500, 61), *range(end_of - 500, end_of)):
        batch = recovered(copy_of(segment, tmp_path / "cut", wal=wal[:cut]))
        assert [entry.record for entry in batch.entries] == records[:-1], f"cut at {cut}"
        assert batch.segment.fault is None, "nobody was told that the last one is safe"


@pytest.mark.parametrize("fill", [b"\0", b"\xff"], ids=["zeros", "ones"])
def test_a_filled_tail_takes_only_the_record_in_it(
    killed: tuple[Path, list[Record]], tmp_path: Path, fill: bytes
) -> None:
    segment, records = killed
    wal = wal_of(segment)
    for cut in range(len(wal) - FRAME, len(wal), 97):
        tail = fill * (3 * FRAME - cut % FRAME)
        batch = recovered(copy_of(segment, tmp_path / "cut", wal=wal[:cut] + tail))
        assert [entry.record for entry in batch.entries][: len(records) - 1] == records[:-1]


def test_a_bit_flipped_anywhere_in_the_log_is_seen(killed: tuple[Path, list[Record]], tmp_path: Path) -> None:
    segment, records = killed
    wal, rng = wal_of(segment), Random(5)
    for place in rng.sample(range(32, len(wal) - FRAME), 300):
        damaged = bytearray(wal)
        damaged[place] ^= 1 << rng.randrange(8)
        batch = recovered(copy_of(segment, tmp_path / "flip", wal=bytes(damaged)))
        found = [entry.record for entry in batch.entries]
        assert found == records[: len(found)]
        assert found == records or batch.segment.fault is not None or not found, f"flipped at {place}"


def test_a_bit_flipped_anywhere_in_a_sealed_segment_is_never_taken_for_the_record(
    killed: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    segment, records = killed
    sealed = copy_of(segment, tmp_path / "sealed", wal=wal_of(segment))
    recover_segment(sealed)
    data, rng, told = sealed.read_bytes(), Random(8), 0
    for place in rng.sample(range(len(data)), 600):
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        sealed.write_bytes(bytes(damaged))
        for listed in list_segments(sealed.parent):
            batch = read_records(listed)
            taken = [entry.record for entry in batch.entries if entry.record is not None]
            assert all(record in records for record in taken), f"flipped at {place}"
            is_told = batch.segment.fault is not None or any(entry.error for entry in batch.entries)
            told += is_told
            assert is_told or taken == records, f"flipped at {place}"
    assert told > 50


async def some_calls(spool: Spool, *, number: int) -> None:
    for _ in range(number):
        call = start()
        await write(spool, call, end(call))


@pytest.mark.parametrize(
    "harm", ["truncated", "empty", "foreign database", "copy under another name", "no rights", "a folder"]
)
async def test_a_file_that_is_no_segment_is_set_aside_and_the_others_land(
    spool: Spool,
    load: Callable[..., LoaderResult],
    connection: psycopg.Connection[TupleRow],
    harm: str,
) -> None:
    await some_calls(spool, number=3)
    spool.close()
    (first,) = list_segments(spool.directory)
    odd = spool.directory / f"0000000007-{uuid4()}.sqlite"
    if harm == "truncated":
        odd.write_bytes(first.path.read_bytes()[:5000])
    elif harm == "empty":
        odd.touch()
    elif harm == "foreign database":
        with sqlite3.connect(odd) as other:
            other.execute("create table records (name text)")
        other.close()
    elif harm == "copy under another name":
        shutil.copy(first.path, odd)
    elif harm == "no rights":
        odd.write_bytes(b"nothing of ours")
        odd.chmod(0)
    else:
        odd.mkdir()
    following = Spool(spool.directory)
    await some_calls(following, number=2)
    assert load().landed == 5
    following.close()
    assert load().landed == 0
    assert count(connection, "raw.llm_calls where status = 'ok'") == 5
    if harm != "a folder":
        assert (spool.directory / "quarantine" / odd.name).exists()
    letters = count(connection, "raw.dead_letters where reason = 'damaged_segment'")
    assert letters == 1, "it is told once"


async def test_a_copy_that_is_shorter_never_passes_for_the_original(
    spool: Spool, load: Callable[..., LoaderResult], connection: psycopg.Connection[TupleRow]
) -> None:
    await some_calls(spool, number=3)
    (live,) = list_segments(spool.directory)
    early = spool.directory / f"0000000000-{live.uuid}.sqlite"
    with sqlite3.connect(live.path) as source, sqlite3.connect(early) as target:
        source.backup(target)
    source.close()
    target.close()
    await some_calls(spool, number=4)
    spool.close()
    result = load()
    assert (result.landed, count(connection, "raw.llm_calls where status = 'ok'")) == (7, 7)
    Spool(spool.directory).close()
    assert (spool.directory / "quarantine" / early.name).exists()
    assert load().landed == 0
    assert replace(list_segments(spool.directory)[-1], fault=None).is_sealed
