"""The live segment and those that follow it: commits, salvage, rotation. Used by one thread at a time."""

import logging
import sqlite3
import time
from collections.abc import Sequence
from uuid import UUID

from ingest.spool.deferred import DeferredEnds
from ingest.spool.keeper import Keeper
from ingest.spool.records import End, Record
from ingest.spool.segment import Row, row_of

logger = logging.getLogger(__name__)

Item = tuple[Record, Row]
Outcome = sqlite3.Error | None
"""What became of one record: None is committed."""


class SegmentLog:
    """Commits records one transaction a call, and goes on in the next segment when one is full or fails.

    `is_failing` says that the disk refused the last write; `tend` finds out when it takes some again.
    """

    def __init__(self, keeper: Keeper, *, rotate_bytes: int, rotate_seconds: float) -> None:
        self._keeper = keeper
        self._rotate_bytes = rotate_bytes
        self._rotate_seconds = rotate_seconds
        self._live = keeper.start()
        self._is_spoilt = False
        self.deferred = DeferredEnds()
        self.is_failing = False
        self.rotations = 0

    def write(self, items: Sequence[Item]) -> Sequence[Outcome]:
        """Commit these records together, or each alone where that fails; the outcome of each, in order."""
        try:
            self._commit([row for _, row in items])
        except sqlite3.Error as error:
            outcomes = self._salvage(items, error=error)
        else:
            self.is_failing = False
            outcomes = [None] * len(items)
        if self._live.size >= self._rotate_bytes:
            self._rotate()
        return outcomes

    def tend(self) -> Sequence[UUID]:
        """What is due every second; the calls that are over by an END that was refused before."""
        if self._live.last_seq and time.monotonic() - self._live.opened_at >= self._rotate_seconds:
            self._rotate()
        if self._is_spoilt:
            self._rotate()
        if self.is_failing and not self._is_spoilt:
            self._probe()
        return self.deferred.retry(self._commit)

    @property
    def oldest_unsealed_at(self) -> float | None:
        """When (monotonic) the oldest segment with records that no seal covers was begun."""
        times = [*self._keeper.waiting_since(), *([self._live.opened_at] if self._live.last_seq else [])]
        return min(times, default=None)

    def close(self) -> None:
        self.deferred.retry(self._commit)
        if self.deferred:
            logger.error("%d calls end as interrupted: the disk never took their END", len(self.deferred))
        if self._live.last_seq:
            self._keeper.seal_later(self._live)
        else:
            self._live.discard()
        self._keeper.close()

    def _commit(self, rows: Sequence[Row]) -> None:
        if self._is_spoilt:
            raise sqlite3.OperationalError("the segment failed to sync and the next is not ready")
        try:
            self._live.commit(rows)
        except sqlite3.Error as error:
            # What a failed fsync was to bring to the disk may be gone, and a second fsync would not say
            # so: nothing more is written here.
            self._is_spoilt = _code(error) == sqlite3.SQLITE_IOERR_FSYNC
            raise

    def _salvage(self, items: Sequence[Item], *, error: sqlite3.Error) -> Sequence[Outcome]:
        """A commit failed as a whole: try each record alone, ENDs first, as they need the room most."""
        logger.warning("the spool refused %d records: %s", len(items), error)
        self.is_failing = True
        if _code(error) != sqlite3.SQLITE_FULL:
            self._rotate()
        outcomes: dict[int, Outcome] = {}
        for place in sorted(range(len(items)), key=lambda place: not isinstance(items[place][0], End)):
            record, row = items[place]
            try:
                self._commit([row])
            except sqlite3.Error as again:
                outcomes[place] = again
                if isinstance(record, End):
                    self.deferred.keep(record)
            else:
                outcomes[place] = None
        return [outcomes[place] for place in range(len(items))]

    def _probe(self) -> None:
        try:
            self._live.probe()
        except sqlite3.Error as error:
            self._is_spoilt = _code(error) == sqlite3.SQLITE_IOERR_FSYNC
            self._rotate()
        else:
            self.is_failing = False

    def _rotate(self) -> None:
        """Go on in the prepared segment. Where none is ready the live one just grows a little longer."""
        if not self._live.last_seq and not self._is_spoilt:
            return
        following = self._keeper.take()
        if following is None:
            return
        following.opened_at = time.monotonic()
        if self._live.last_seq:
            self._keeper.seal_later(self._live)
        else:
            # A reader takes an empty segment for the one prepared, and looks at none behind it.
            self._live.discard()
        self._live, self._is_spoilt = following, False
        self.rotations += 1


def _code(error: sqlite3.Error) -> int | None:
    return getattr(error, "sqlite_errorcode", None)


def rows_of(record: Record) -> Item:
    return record, row_of(record)
