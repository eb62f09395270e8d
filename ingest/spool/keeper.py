"""The thread that prepares the next segment and seals old ones, so that a commit never waits for it."""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from ingest.spool.segment import OpenSegment, create_segment, sync_directory, write_number
from ingest.spool.usage import Usage, measure

logger = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5
_CLOSE_SECONDS = 5.0
_MEASURE_SECONDS = 10.0


class Keeper:
    """Keeps one prepared segment at hand and seals what it is given, trying again when a disk refuses."""

    def __init__(
        self, directory: Path, *, spool_id: str, owner: str, first_number: int, is_synced: bool = False
    ) -> None:
        self._directory = directory
        self._is_synced = is_synced
        self._spool_id = spool_id
        self._owner = owner
        self._number = first_number
        self._prepared: OpenSegment | None = None
        self._unsealed: deque[OpenSegment] = deque()
        self._work = threading.Event()
        self._stop = threading.Event()
        self.seal_failures = 0
        self.usage = Usage()
        self._measured_at = 0.0
        self._thread = threading.Thread(target=self._run, name="spool-keeper", daemon=True)

    def start(self) -> OpenSegment:
        """The first segment, made here; the thread makes the following ones."""
        first = self._create()
        self._thread.start()
        self._work.set()
        return first

    def take(self) -> OpenSegment | None:
        """The prepared segment, if there is one; another is prepared meanwhile."""
        taken, self._prepared = self._prepared, None
        self._work.set()
        return taken

    def seal_later(self, segment: OpenSegment) -> None:
        self._unsealed.append(segment)
        self._work.set()

    @property
    def waiting(self) -> int:
        """How many full segments are not sealed yet."""
        return len(self._unsealed)

    def waiting_since(self) -> list[float]:
        """When (monotonic) each of these was begun."""
        return [segment.opened_at for segment in tuple(self._unsealed)]

    def close(self) -> None:
        """Seal what is left and end the thread. What the disk refuses is recovered at the next start."""
        self._stop.set()
        self._work.set()
        self._thread.join()
        if self._prepared is not None:
            self._prepared.discard()
            self._prepared = None
        deadline = time.monotonic() + _CLOSE_SECONDS
        while self._unsealed and time.monotonic() < deadline:
            if not self._seal_one():
                time.sleep(0.05)
        for segment in self._unsealed:
            segment.abandon()

    def _run(self) -> None:
        while not self._stop.is_set():
            # To prepare comes first: without a next segment the live one cannot rotate.
            if self._prepared is None:
                self._prepared = _unless_refused(self._create, what="prepare a spool segment")
            if self._unsealed and self._seal_one():
                continue
            self._measure()
            is_behind = self._unsealed or self._prepared is None
            self._work.wait(timeout=_RETRY_SECONDS if is_behind else _MEASURE_SECONDS)
            self._work.clear()

    def _measure(self) -> None:
        # Here, because a spool of a day has thousands of files, and the loop must not look at each.
        if (now := time.monotonic()) >= self._measured_at + _MEASURE_SECONDS or not self._measured_at:
            self._measured_at = now
            self.usage = measure(self._directory)

    def _create(self) -> OpenSegment:
        segment = create_segment(
            self._directory,
            number=self._number,
            spool_id=self._spool_id,
            owner=self._owner,
            is_synced=self._is_synced,
        )
        try:
            sync_directory(self._directory)
        except OSError:
            # Left there, it would read as the one prepared, and hide all behind it.
            segment.discard()
            raise
        self._number += 1
        return segment

    def _seal_one(self) -> bool:
        """Seal the oldest full segment; False if the disk or a reader does not let us now."""
        segment = self._unsealed[0]
        try:
            segment.seal()
        except (sqlite3.Error, OSError) as error:
            self.seal_failures += 1
            logger.info("cannot seal %s yet: %s", segment.path.name, error)
            self._unsealed.rotate(-1)
            return False
        self._unsealed.popleft()
        write_number(self._directory, segment.number)
        return True


def _unless_refused(make: Callable[[], OpenSegment], *, what: str) -> OpenSegment | None:
    try:
        return make()
    except (sqlite3.Error, OSError) as error:
        logger.warning("cannot %s: %s", what, error)
        return None
