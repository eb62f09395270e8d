"""Threads for work on long bodies, so that the event loop serves others meanwhile."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Aside:
    """A few threads of its own: names are looked up in asyncio's, and must not wait for a long mask.

    At most `most_waiting` pieces of work wait for a thread: calls must not get slower and slower because
    more comes in than can be masked.
    """

    def __init__(self, *, threads: int = 2, most_waiting: int = 64) -> None:
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="lqo masking")
        self._most = threads + most_waiting
        self._running = 0
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        return self._running >= self._most

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work in a thread and wait for it; ask `is_full` first."""
        with self._lock:
            self._running += 1
        future = self._threads.submit(work)
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, future: "Future[T]") -> None:
        # In the thread, which may outlive the loop that asked.
        with self._lock:
            self._running -= 1
