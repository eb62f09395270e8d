"""The spool as the proxy sees it: append a record, await the commit that holds it."""

import asyncio
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from ingest.spool.deferred import DeferredEnds
from ingest.spool.keeper import Keeper
from ingest.spool.owner import Owner, spool_id
from ingest.spool.records import End, Record, Start
from ingest.spool.segment import Row, parse_name, recover_segment, row_of, segment_paths

logger = logging.getLogger(__name__)

WATERMARK = "watermark"
_BEAT_SECONDS = 1.0

Pending = tuple[Record, Row, "asyncio.Future[None]"]


class SpoolRefusedError(RuntimeError):
    """The disk did not take a record; nothing of it is in the spool."""


@dataclass(slots=True)
class SpoolCounters:
    """Plain counters since start, for the metrics page."""

    records: int = 0
    commits: int = 0
    bytes_written: int = 0
    refused: int = 0
    rotations: int = 0
    commit_seconds: float = 0.0


class Spool:
    """The only writer of a spool directory. Everything but `open` and `close` runs on one event loop.

    Appends of one loop tick share one commit. A START is refused (SpoolRefusedError) when the disk
    refuses it or when less than `min_free_bytes` are left: the rest is kept for the ENDs of calls
    under way. An END that is refused is kept and tried again every second, so that its call
    does not stay open for ever; its future fails all the same, as the client must not be told "done".
    """

    def __init__(
        self,
        directory: Path,
        *,
        rotate_bytes: int = 64 << 20,
        rotate_seconds: float = 30.0,
        min_free_bytes: int = 32 << 20,
    ) -> None:
        """Take the directory, recover what a killed owner left, open the first segment.

        Raises SpoolBusyError when another proxy owns it, OSError or sqlite3.Error for a disk that refuses.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self.counters = SpoolCounters()
        self._rotate_bytes = rotate_bytes
        self._rotate_seconds = rotate_seconds
        self._min_free_bytes = min_free_bytes
        self._owner = Owner(directory)
        try:
            self.spool_id = spool_id(directory)
            self._keeper = _open_keeper(directory, spool_id=self.spool_id, owner=self._owner.epoch)
            self._watermark = os.open(directory / WATERMARK, os.O_RDWR | os.O_CREAT, 0o600)
            self._live = self._keeper.start()
        except BaseException:
            self._owner.release()
            raise
        self._pending: list[Pending] = []
        self._open: dict[UUID, int] = {}
        self._deferred = DeferredEnds()
        self._is_low = False
        self._beat_timer: asyncio.TimerHandle | None = None
        self._publish_watermark()

    def append(self, record: Record) -> "asyncio.Future[None]":
        """A future that is done once `record` is committed; it fails with SpoolRefusedError."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if isinstance(record, Start):
            if self._is_low:
                self.counters.refused += 1
                done.set_exception(SpoolRefusedError("the spool's disk is almost full"))
                return done
            self._open[record.call_id] = record.started_at_ns
        if not self._pending:
            loop.call_soon(self._flush)
        if self._beat_timer is None:
            self.start_beating()
        self._pending.append((record, row_of(record), done))
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
        return len(self._deferred)

    @property
    def unsealed_segments(self) -> int:
        return self._keeper.waiting

    @property
    def is_accepting(self) -> bool:
        """False while STARTs are refused for want of disk space."""
        return not self._is_low

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
        self._flush()
        self._deferred.retry(self._live)
        if self._deferred:
            logger.error("%d calls end as interrupted: the disk never took their END", len(self._deferred))
        if self._live.last_seq:
            self._keeper.seal_later(self._live)
        else:
            self._live.discard()
        self._keeper.close()
        self._publish_watermark()
        os.close(self._watermark)
        self._watermark = -1
        self._owner.release()

    def _flush(self) -> None:
        batch, self._pending = self._pending, []
        if not batch:
            return
        began = time.perf_counter()
        try:
            self._live.commit([row for _, row, _ in batch])
        except sqlite3.Error as error:
            self._salvage(batch, error=error)
        else:
            self._settle(batch)
        self.counters.commits += 1
        self.counters.commit_seconds += time.perf_counter() - began
        if self._live.size >= self._rotate_bytes:
            self._rotate()

    def _settle(self, batch: Sequence[Pending]) -> None:
        for record, row, done in batch:
            self.counters.records += 1
            self.counters.bytes_written += len(row[2])
            if isinstance(record, End):
                self._open.pop(record.call_id, None)
            if not done.done():
                done.set_result(None)

    def _salvage(self, batch: Sequence[Pending], *, error: sqlite3.Error) -> None:
        """A commit failed as a whole: try each record alone, ENDs first, as they need the room most."""
        logger.warning("the spool refused %d records: %s", len(batch), error)
        if not _is_disk_full(error):
            self._rotate()
        for item in sorted(batch, key=lambda item: not isinstance(item[0], End)):
            try:
                self._live.commit([item[1]])
            except sqlite3.Error as again:
                self._refuse(item, error=again)
            else:
                self._settle([item])

    def _refuse(self, item: Pending, *, error: sqlite3.Error) -> None:
        record, _, done = item
        self.counters.refused += 1
        if isinstance(record, Start):
            self._open.pop(record.call_id, None)
        elif isinstance(record, End):
            self._deferred.keep(record)
        if not done.done():
            done.set_exception(SpoolRefusedError(f"the spool cannot be written: {error}"))

    def _beat(self) -> None:
        self._is_low = _free_bytes(self.directory) < self._min_free_bytes
        for call_id in self._deferred.retry(self._live):
            self._open.pop(call_id, None)
        if self._live.last_seq and time.monotonic() - self._live.opened_at >= self._rotate_seconds:
            self._rotate()
        self._publish_watermark()

    def _rotate(self) -> None:
        """Go on in the prepared segment. Where none is ready the live one just grows a little longer."""
        if self._live.last_seq and (following := self._keeper.take()) is not None:
            following.opened_at = time.monotonic()
            self._keeper.seal_later(self._live)
            self._live = following
            self.counters.rotations += 1

    def _publish_watermark(self) -> None:
        # A fixed width, so that one write replaces the number whole and never needs a new block.
        try:
            os.pwrite(self._watermark, b"%020d\n" % self.low_watermark, 0)
        except OSError as error:
            logger.warning("cannot publish the spool's watermark: %s", error)


def _open_keeper(directory: Path, *, spool_id: str, owner: str) -> Keeper:
    last = 0
    for draft in directory.glob("*.draft*"):
        draft.unlink()
    for path in segment_paths(directory):
        try:
            damage = recover_segment(path)
        except sqlite3.Error as error:
            damage = f"it cannot be recovered: {error}"
        if damage:
            logger.error("spool segment %s: %s", path.name, damage)
        name = parse_name(path)
        last = max(last, name.number if name else 0)
    return Keeper(directory, spool_id=spool_id, owner=owner, first_number=last + 1)


def _free_bytes(directory: Path) -> int:
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return 0


def _is_disk_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
