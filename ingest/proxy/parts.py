"""The bytes of one answer between the provider and the spool."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from ingest.proxy.keys import SHORTEST_SECRET, without_key
from ingest.spool.records import Part
from ingest.spool.writer import Spool, SpoolRefusedError

MOST_WAITING = 64 << 20
"""Bytes of an answer that wait for a disk that takes none of them; more are shed."""


class Parts:
    """Writes PARTs, so that a killed proxy takes little of what the client saw with it.

    Bytes wait at most `seconds` or until there are `size` of them. A refused PART waits for the next. The
    client's key is cut out, also where it stands in two parts.
    """

    def __init__(self, spool: Spool, *, call_id: UUID, key: bytes | None, seconds: float, size: int) -> None:
        self._spool = spool
        self._call_id = call_id
        self._key = key if key is not None and len(key) >= SHORTEST_SECRET else None
        self._seconds = seconds
        self._size = size
        self._waiting = bytearray()
        self._number = 0
        self._sent: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self.is_whole = True

    def add(self, data: bytes, *, is_last: bool = False) -> None:
        if not self.is_whole:
            return
        self._waiting += data
        if len(self._waiting) > MOST_WAITING:
            self._give_up()
        elif len(self._waiting) >= self._size:
            self._flush()
        elif not is_last:
            self._wait()

    async def settled(self) -> None:
        """Wait until the spool has said yes or no to what it was given."""
        if self._sent is not None:
            await asyncio.wait((self._sent,))

    def rest(self) -> bytes:
        """What no PART holds, for END; after this there are no more PARTs."""
        self._is_over = True
        self._stop_timer()
        return without_key(bytes(self._waiting), self._key)

    def _flush(self) -> None:
        self._stop_timer()
        if self._is_over or (self._sent is not None and not self._sent.done()):
            return
        if self._spool.is_shedding:
            self._give_up()
            return
        held = bytes(self._waiting[: len(self._waiting) - self._begun_key()])
        if not held:
            return
        del self._waiting[: len(held)]
        self._number += 1
        part = Part(call_id=self._call_id, number=self._number, response=without_key(held, self._key))
        self._sent = self._spool.append(part)
        self._sent.add_done_callback(lambda sent: self._written(held, sent=sent))

    def _give_up(self) -> None:
        self._waiting.clear()
        self.is_whole = False

    def _written(self, held: bytes, *, sent: "asyncio.Future[None]") -> None:
        if not sent.cancelled() and isinstance(sent.exception(), SpoolRefusedError):
            self._number -= 1
            self._waiting[:0] = held
        self._wait()

    def _wait(self) -> None:
        """What waits is written in a while, also when nothing more comes."""
        if self._timer is None and self._waiting and not self._is_over:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._flush)

    def _begun_key(self) -> int:
        """Bytes at the end that the key may begin with: they wait for what follows."""
        if self._key is None:
            return 0
        longest = min(len(self._key) - 1, len(self._waiting))
        return next((n for n in range(longest, 0, -1) if self._waiting.endswith(self._key[:n])), 0)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Memory:
    """Keeps a whole answer, as nothing of it may touch the disk before it is masked.

    What is longer than `limit`, or finds no room (`takes`), is given up.
    """

    def __init__(self, *, limit: int, takes: Callable[[int], bool]) -> None:
        self._limit = limit
        self._takes = takes
        self._held = bytearray()
        self.is_whole = True

    def add(self, data: bytes, *, is_last: bool = False) -> None:
        if not self.is_whole:
            return
        if len(self._held) + len(data) > self._limit or not self._takes(len(data)):
            self.is_whole = False
            self._held.clear()
            return
        self._held += data

    async def settled(self) -> None:
        return

    def rest(self) -> bytes:
        return bytes(self._held)
