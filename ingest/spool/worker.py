"""A thread that does the spool's slow work in order and reports to the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """One thread; work is done, and reported on the loop, in the order in which it was given."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._reports: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()

    def __len__(self) -> int:
        return len(self._reports)

    def submit(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do `work` in the thread, then `then` with its result on the running loop. `work` must not raise."""
        loop = asyncio.get_running_loop()
        future = self._threads.submit(work)
        self._reports.append((future, then))
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._report))

    def finish(self) -> None:
        """Wait for all that was given and report it, here and now. Nothing can be given any more."""
        self._threads.shutdown(wait=True)
        self._report()

    def _report(self) -> None:
        while self._reports and self._reports[0][0].done():
            future, then = self._reports.popleft()
            then(future.result())
