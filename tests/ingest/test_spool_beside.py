"""A reader beside a writer that rotates all the time: everything once, in order, and never a fault."""

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

from ingest.spool.reader import list_segments, read_records
from ingest.spool.records import Start
from ingest.spool.writer import Spool
from ingest.uuid7 import uuid7
from tests.ingest.spool_calls import entries_in, start, until


class Follower(threading.Thread):
    """Reads what the loader would: each segment from where it stopped, until told that all is written."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory
        self.finished = threading.Event()
        self.seen: list[UUID] = []
        self.faults: list[str] = []
        self._reached: dict[UUID, int] = {}

    def run(self) -> None:
        while True:
            is_last = self.finished.is_set()
            self._pass()
            if is_last:
                return
            self.finished.wait(0.005)

    def _pass(self) -> None:
        for segment in list_segments(self.directory):
            is_end = False
            while not is_end:
                batch = read_records(segment, after_seq=self._reached.get(segment.uuid, 0), limit=7)
                if batch.segment.fault:
                    self.faults.append(batch.segment.fault)
                    return
                for entry in batch.entries:
                    self._reached[segment.uuid] = entry.seq
                    self.seen.append(UUID(bytes=entry.call_id))
                is_end = batch.is_end


async def test_a_reader_beside_a_rotating_writer_sees_everything_once_and_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, rotate_bytes=30_000)
    followers = [Follower(tmp_path), Follower(tmp_path)]
    for follower in followers:
        follower.start()
    sent: list[UUID] = []
    while len(sent) < 1_800 or spool.counters.rotations < 2:
        records = [
            Start(
                call_id=uuid7(),
                started_at_ns=time.time_ns(),
                endpoint="e",
                provider="p",
                requested_model="m",
                request=bytes(500),
            )
            for _ in range(3)
        ]
        await asyncio.gather(*(spool.append(record) for record in records))
        sent += [record.call_id for record in records]
        await asyncio.sleep(0.001)
    spool.close()
    for follower in followers:
        follower.finished.set()
        await asyncio.to_thread(follower.join, 60)
    for follower in followers:
        assert follower.faults == []
        assert follower.seen == sent
    segments = list_segments(tmp_path)
    assert all(segment.is_sealed for segment in segments)
    assert sum(segment.row_count or 0 for segment in segments) == len(sent)


async def test_a_reader_that_is_stopped_in_the_middle_of_a_read_delays_nobody(tmp_path: Path) -> None:
    spool = Spool(tmp_path, rotate_bytes=30_000)
    await spool.append(start())
    (live,) = list_segments(tmp_path)
    with closing(sqlite3.connect(f"file:{live.path}?mode=ro", uri=True, isolation_level=None)) as stopped:
        # What SIGSTOP leaves of a loader: a transaction that never ends, under which nothing can be sealed.
        stopped.execute("begin")
        stopped.execute("select count(*) from records").fetchone()
        waits = list[float]()
        while spool.counters.rotations < 5:
            began = time.perf_counter()
            await spool.append(start(request=bytes(1_000)))
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.001)
        assert spool.unsealed_segments >= 1
        # SQLite itself would wait so long for the reader, at each rotation.
        assert sum(wait > 0.5 for wait in waits) < spool.counters.rotations
    await until(lambda: spool.unsealed_segments == 0)
    spool.close()
    assert len(entries_in(tmp_path)) == 1 + len(waits)
