"""What the loader counts, as Prometheus metrics on a port of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from ingest.loading.result import LoaderResult


class LoaderMetrics:
    """The counters of one loader process; its threads, one a spool folder, share them.

    `spool` is the folder's name: one of a worker each, so their number is bounded.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lock = Lock()
        self._failing: set[str] = set()
        self._calls = Counter(
            "llm_gateway_loader_calls",
            "Calls by what became of them: landed, already_there, rejected (a dead letter).",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in ("landed", "already_there", "rejected"):
            self._calls.labels(outcome)
        self._failures = Counter(
            "llm_gateway_loader_failures",
            "Connections to the database lost or not had.",
            registry=self.registry,
        )
        self._up = Gauge(
            "llm_gateway_loader_database_up",
            "1 while the database answers every thread of the loader.",
            registry=self.registry,
        )
        self._up.set(1)
        self._passed_at = Gauge(
            "llm_gateway_loader_last_pass_timestamp_seconds",
            "When all that stood in the spool had last landed.",
            ["spool"],
            registry=self.registry,
        )
        self._landed_at = Gauge(
            "llm_gateway_loader_last_landing_timestamp_seconds",
            "When a call last landed.",
            ["spool"],
            registry=self.registry,
        )

    def opened(self, folder: Path) -> None:
        """The loader has the spool. Until its first pass it counts as having everything from now on."""
        self._passed_at.labels(folder.name).set(time.time())

    def drained(self, folder: Path, result: LoaderResult, *, is_complete: bool) -> None:
        """A pass over the spool is over; `is_complete`: all that stood there is settled."""
        counts = {
            "landed": result.landed,
            "already_there": result.already_there,
            "rejected": result.rejected,
        }
        for outcome, count in counts.items():
            self._calls.labels(outcome).inc(count)
        if result.landed:
            self._landed_at.labels(folder.name).set(time.time())
        if is_complete:
            self._passed_at.labels(folder.name).set(time.time())
        self._reached(folder, is_up=True)

    def failed(self, folder: Path) -> None:
        """The database went away, or could not be reached."""
        self._failures.inc()
        self._reached(folder, is_up=False)

    def _reached(self, folder: Path, *, is_up: bool) -> None:
        with self._lock:
            (self._failing.discard if is_up else self._failing.add)(folder.name)
            self._up.set(not self._failing)


@contextmanager
def served(metrics: LoaderMetrics, *, host: str, port: int) -> Iterator[int]:
    """The page of `metrics` at `/metrics` in the block; gives the port. Raises OSError where it is taken."""
    server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
