"""ENDs that a full disk refused, kept in memory until it takes them."""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from ingest.spool.records import End
from ingest.spool.segment import Row, row_of

MAX_BYTES = 64 << 20


class DeferredEnds:
    """A queue in memory. Past `MAX_BYTES` only the facts of a call are kept and its response is dropped."""

    def __init__(self) -> None:
        self._waiting: deque[End] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, end: End) -> None:
        """Queue `end`, without its response where there is no room for it."""
        if self._size + len(end.response) > MAX_BYTES:
            end = msgspec.structs.replace(
                end, response=b"", error_type="spool_full", error_message="the response was not kept"
            )
        self._size += len(end.response)
        self._waiting.append(end)

    def retry(self, commit: Callable[[Sequence[Row]], None]) -> list[UUID]:
        """Commit what the disk takes now, oldest first; the calls that are over by it."""
        written: list[UUID] = []
        while self._waiting:
            try:
                commit([row_of(self._waiting[0])])
            except sqlite3.Error:
                break
            end = self._waiting.popleft()
            self._size -= len(end.response)
            written.append(end.call_id)
        return written
