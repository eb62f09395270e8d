"""One transaction after the other in a thread, while the next batch is read and made ready."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from ingest.loading.result import LoaderResult


class Turn:
    """Who has the connection: between `start` and `wait` the thread has it.

    `result` adds up what the transactions did. What one of them raises, the next `wait` raises; leaving the
    block after an error still waits for the thread, so that the connection is nobody's then.
    """

    def __init__(self) -> None:
        self.result = LoaderResult()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader-commits")
        self._running: Future[LoaderResult] | None = None

    def start(self, transaction: Callable[[], LoaderResult]) -> None:
        """Run it once the one before is through."""
        self.wait()
        self._running = self._thread.submit(transaction)

    def wait(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            self.result += running.result()

    def __enter__(self) -> "Turn":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)
        if error is None:
            self.wait()
