"""The spool as the proxy sees it: append a record, await the commit that holds it."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from ingest.settings import Durability, SpoolFull
from ingest.spool.bodies import remove_bodies
from ingest.spool.counters import SpoolCounters
from ingest.spool.large import LargeBodies, Written
from ingest.spool.lean import body_size, shed, stored_of
from ingest.spool.log import Outcome, SegmentLog
from ingest.spool.owner import Owner, spool_id
from ingest.spool.records import Delivery, End, Feedback, Part, Record, Start
from ingest.spool.recovery import open_keeper
from ingest.spool.room import Levels, Room, default_levels
from ingest.spool.segment import Row, row_of
from ingest.spool.worker import Worker

logger = logging.getLogger(__name__)

WATERMARK = "watermark"
_BEAT_SECONDS = 1.0

T = TypeVar("T")
Done = asyncio.Future[None]
Pending = tuple[Record, Row, Done]


class SpoolRefusedError(RuntimeError):
    """The disk did not take a record; nothing of it is in the spool."""


class Spool:
    """The only writer of a spool directory. Everything but `open` and `close` runs on one event loop.

    Appends of one loop tick share one commit. `durability` "process": it is in the kernel's hands and
    survives kill -9; "strict": it is synced, by a thread, before the append is done, and appends that come
    meanwhile share the next sync. A large body is written to a file by another thread before its record is
    committed, so that small records never wait for it.

    Below `levels.shed` free bytes records go in without their bodies, flagged. Below `levels.refuse`, or
    when the disk refuses, a START is refused (SpoolRefusedError; the rest of the disk is kept for the ENDs
    of calls under way), or with `on_full` "serve" its call goes on without a row, and is counted. An END
    that is refused is kept and tried again every second, so that its call does not stay open for ever;
    its future fails all the same (unless `on_full` is "serve"), as the client must not be told "done".
    """

    def __init__(
        self,
        directory: Path,
        *,
        durability: Durability = "process",
        on_full: SpoolFull = "refuse",
        rotate_bytes: int = 64 << 20,
        rotate_seconds: float = 30.0,
        levels: Levels | None = None,
    ) -> None:
        """Take the directory, recover what a killed owner left, open the first segment.

        Raises SpoolBusyError when another proxy owns it, OSError or sqlite3.Error for a disk that refuses.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self.durability: Durability = durability
        self.counters = SpoolCounters()
        self.room = Room(directory, levels=levels or default_levels(directory, refuse=_REFUSE_BYTES))
        self._on_full: SpoolFull = on_full
        self._owner = Owner(directory, durability=durability)
        try:
            self.spool_id = spool_id(directory)
            self._keeper = open_keeper(directory, spool_id=self.spool_id, owner=self._owner)
            self._watermark = os.open(directory / WATERMARK, os.O_RDWR | os.O_CREAT, 0o600)
            self._log = SegmentLog(self._keeper, rotate_bytes=rotate_bytes, rotate_seconds=rotate_seconds)
        except BaseException:
            self._owner.release()
            raise
        is_strict = durability == "strict"
        self._large = LargeBodies(directory, is_synced=is_strict)
        self._committer = Worker("spool-commits") if is_strict else None
        self._is_committing = False
        self._pending: list[Pending] = []
        self._open: dict[UUID, int] = {}
        self._unlogged: set[UUID] = set()
        self._beat_timer: asyncio.TimerHandle | None = None
        self._publish_watermark()

    def append(self, record: Record) -> Done:
        """A future that is done once `record` is committed; it fails with SpoolRefusedError."""
        done: Done = asyncio.get_running_loop().create_future()
        if self._unlogged and record.call_id in self._unlogged:
            self._pass(record, done=done)
            return done
        if isinstance(record, Start | Delivery | Feedback) and self.room.is_full:
            self._refuse(record, done=done, why="the spool's disk is almost full")
            return done
        if self._beat_timer is None:
            self.start_beating()
        if isinstance(record, Start):
            self._open[record.call_id] = record.started_at_ns
        if self.room.is_shedding:
            record = self._shed(record)
        if self._large.takes(record):
            self._large.put(record, then=lambda written: self._enqueue(record, done=done, written=written))
        else:
            self._enqueue(record, done=done, written=record)
        return done

    @property
    def low_watermark(self) -> int:
        """Unix nanoseconds below which every call is over and committed (or nobody's any more)."""
        return min(self._open.values(), default=time.time_ns())

    @property
    def open_calls(self) -> int:
        return len(self._open)

    @property
    def deferred_ends(self) -> int:
        return len(self._log.deferred)

    @property
    def unsealed_segments(self) -> int:
        return self._keeper.waiting

    @property
    def unsealed_seconds(self) -> float:
        """Age of the oldest record that no seal covers: what a power cut may take in `process` mode."""
        since = self._log.oldest_unsealed_at
        return 0.0 if since is None else time.monotonic() - since

    @property
    def quarantined_segments(self) -> int:
        return self._keeper.usage.quarantined

    @property
    def bytes_on_disk(self) -> int:
        """What all files of the spool take, loaded ones included; measured every 10 s."""
        return self._keeper.usage.bytes_on_disk

    @property
    def unloaded_seconds(self) -> float | None:
        """Age of the oldest record that may not have landed yet; None where no loader was ever seen."""
        loaded_at = self._keeper.usage.loaded_at_ns
        return None if loaded_at is None else max(0.0, (time.time_ns() - loaded_at) / 1e9)

    @property
    def is_shedding(self) -> bool:
        """True while bodies are not kept for want of disk space."""
        return self.room.is_shedding

    @property
    def is_writable(self) -> bool:
        """False while calls cannot be logged: the disk is almost full, or refused the last write."""
        return not (self.room.is_full or self._log.is_failing)

    @property
    def is_accepting(self) -> bool:
        """Whether calls are taken: while they can be logged, or where they are served all the same."""
        return self.is_writable or self._on_full == "serve"

    def start_beating(self) -> None:
        """Publish the watermark, rotate and look at the disk every second from now on."""
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        loop = asyncio.get_running_loop()
        self._beat()
        self._beat_timer = loop.call_later(_BEAT_SECONDS, self.start_beating)

    def close(self) -> None:
        """Commit what is pending, seal, give the directory back. Safe to call twice."""
        if self._watermark < 0:
            return
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        self._large.close()
        committer, self._committer = self._committer, None
        if committer is not None:
            committer.finish()
        self._flush()
        self._log.close()
        self._publish_watermark()
        os.close(self._watermark)
        self._watermark = -1
        self._owner.release()

    def _shed(self, record: Record) -> Record:
        if not isinstance(record, Start | Part | End) or not body_size(record):
            return record
        self.counters.shed += 1
        return shed(record)

    def _enqueue(self, record: Record, *, done: Done, written: Written) -> None:
        if isinstance(written, OSError):
            if not isinstance(record, Start | Part | End):
                self._refuse(record, done=done, why=f"the spool cannot be written: {written}")
                return
            # The facts of a call are worth more than its body, and need no room to speak of.
            logger.warning("a body of %d bytes was shed: %s", body_size(record), written)
            written = self._shed(record)
        if not self._pending:
            done.get_loop().call_soon(self._flush)
        self._pending.append((written, row_of(written), done))

    def _flush(self) -> None:
        if not self._pending or self._is_committing:
            return
        batch, self._pending = self._pending, []
        self._is_committing = True
        began = time.perf_counter()
        items = [(record, row) for record, row, _ in batch]
        self._do(lambda: self._log.write(items), then=partial(self._committed, batch, began))

    def _do(self, work: Callable[[], T], *, then: Callable[[T], None]) -> None:
        if self._committer is None:
            then(work())
        else:
            self._committer.submit(work, then)

    def _committed(self, batch: Sequence[Pending], began: float, outcomes: Sequence[Outcome]) -> None:
        self._is_committing = False
        seconds = time.perf_counter() - began
        self.counters.commits += 1
        self.counters.commit_seconds += seconds
        self.counters.slowest_commit_seconds = max(seconds, self.counters.slowest_commit_seconds)
        self.counters.rotations = self._log.rotations
        for (record, row, done), outcome in zip(batch, outcomes, strict=True):
            if outcome is None:
                self._settle(record, row, done=done)
            else:
                self._refuse(record, done=done, why=f"the spool cannot be written: {outcome}")
        # What came while a thread was committing shares the next commit.
        self._flush()

    def _settle(self, record: Record, row: Row, *, done: Done) -> None:
        stored = stored_of(record)
        size = len(row[2]) + (stored.size if stored else 0)
        self.counters.records += 1
        self.counters.bytes_written += size
        self.counters.large_bodies += stored is not None
        self.room.wrote(size)
        if isinstance(record, End):
            self._open.pop(record.call_id, None)
        if not done.done():
            done.set_result(None)

    def _refuse(self, record: Record, *, done: Done, why: str) -> None:
        self.counters.refused += 1
        is_served = self._on_full == "serve" and isinstance(record, Start | Part | End)
        if not isinstance(record, End) and (stored := stored_of(record)):
            remove_bodies(self.directory, (stored.name,))
        if isinstance(record, Start):
            self._open.pop(record.call_id, None)
            if is_served:
                self.counters.unlogged += 1
                self._unlogged.add(record.call_id)
        if done.done():
            return
        if is_served:
            done.set_result(None)
        else:
            done.set_exception(SpoolRefusedError(why))

    def _pass(self, record: Record, *, done: Done) -> None:
        """Of a call that is served without a row nothing is written."""
        if isinstance(record, End):
            self._unlogged.discard(record.call_id)
        done.set_result(None)

    def _beat(self) -> None:
        self.room.look()
        self._do(self._log.tend, then=self._tended)

    def _tended(self, over: Sequence[UUID]) -> None:
        for call_id in over:
            self._open.pop(call_id, None)
        self.counters.rotations = self._log.rotations
        self._publish_watermark()

    def _publish_watermark(self) -> None:
        # A fixed width, so that one write replaces the number whole and never needs a new block.
        try:
            os.pwrite(self._watermark, b"%020d\n" % self.low_watermark, 0)
        except OSError as error:
            logger.warning("cannot publish the spool's watermark: %s", error)


_REFUSE_BYTES = 32 << 20
"""Kept free for the ENDs of calls under way."""
