"""A spool whose writer was killed or whose files are damaged: nothing is lost, and no loss is silent."""

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from uuid import UUID

from ingest.spool.owner import current_owner
from ingest.spool.reader import list_segments, read_records
from ingest.spool.writer import Spool
from tests.ingest.spool_calls import entries_in, start

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
        assert acknowledged <= {UUID(bytes=e.call_id) for e in entries_in(tmp_path)}
    Spool(tmp_path).close()
    segments = list_segments(tmp_path)
    assert all(s.is_sealed and s.fault is None for s in segments)
    assert acknowledged <= {UUID(bytes=e.call_id) for e in entries_in(tmp_path)}


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
