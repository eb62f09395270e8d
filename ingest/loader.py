"""`run_loader`: the proxy's spool into the warehouse, for as long as it runs, through every outage."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.database.connect import DatabaseUnavailable, connect, is_transient
from ingest.database.url import DatabaseUrl
from ingest.landing.collecting import collecting_seldom
from ingest.landing.loads import close_load, open_load
from ingest.loading.batch import Spool
from ingest.loading.drain import drain
from ingest.loading.folders import load_as_they_come
from ingest.loading.metrics import LoaderMetrics
from ingest.loading.result import LoaderResult
from ingest.loading.spans import SpanSender, TelemetryError, otlp_sender
from ingest.settings import Settings
from ingest.spool.folders import spool_folders
from ingest.spool.reader import list_segments, read_spool_id
from ingest.uuid7 import uuid7

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
BUSY_SECONDS = 30.0
"""How long `once` waits for another loader of the same spool."""
_LONGEST_PAUSE = 5.0
_ONCE_ATTEMPTS = 5


class LoaderError(RuntimeError):
    """The spool could not be drained; the message is one line, and nothing is lost: it still stands there."""


def run_loader(
    settings: Settings,
    url: DatabaseUrl,
    *,
    once: bool = False,
    replay: bool = False,
    adopt: Path | None = None,
    stop: threading.Event | None = None,
    metrics: LoaderMetrics | None = None,
) -> LoaderResult:
    """Load the spool of `settings` until `stop` is set, or (`once`) until what it holds now has landed.

    The spools of all workers are loaded, each over a connection of its own. `replay` reads every segment on
    disk again; what is there already stays as it is. `adopt` drains the spool in another folder, once, and
    deletes nothing there. While Postgres is down the spool grows and this tries again, up to every 5 s;
    `once` gives up after five attempts. Raises LoaderError then, when another loader has held the spool for
    30 s, and when there is nothing to adopt.
    """
    if adopt is not None and not spool_folders(adopt):
        raise LoaderError(f"there is no spool in {adopt}")
    try:
        spans = otlp_sender(os.environ)
    except TelemetryError as error:
        raise LoaderError(str(error)) from error
    root, stop = adopt or settings.spool, stop or threading.Event()
    metrics = metrics or LoaderMetrics()

    def load(folder: Path) -> LoaderResult:
        loader = _Loader(settings, url, directory=folder, stop=stop, spans=spans, metrics=metrics)
        loader.run(once=once or adopt is not None, replay=replay, keep=adopt is not None)
        return loader.result

    try:
        with collecting_seldom():
            if once or adopt is not None:
                return sum(map(load, spool_folders(root) or (root,)), LoaderResult())
            return load_as_they_come(root, load=load, stop=stop)
    finally:
        if spans is not None:
            spans.close()


def pause_after(failures: int) -> float:
    """Seconds to wait after failures in a row: 0.4, 0.8 … up to 5, however long an outage lasts."""
    return min(0.2 * 2 ** min(failures, 10), _LONGEST_PAUSE)


class _Loader:
    def __init__(
        self,
        settings: Settings,
        url: DatabaseUrl,
        *,
        directory: Path,
        stop: threading.Event,
        spans: SpanSender | None,
        metrics: LoaderMetrics,
    ) -> None:
        self.result = LoaderResult()
        self._metrics = metrics
        self._spans = spans
        self._settings = settings
        self._url = url
        self._directory = directory
        self._stop = stop
        self._load_id = uuid7()
        self._must_replay = False

    def run(self, *, once: bool, replay: bool, keep: bool) -> None:
        self._must_replay = replay
        failures = 0
        while not self._stop.is_set():
            try:
                self._session(once=once, keep=keep)
                return
            except (DatabaseUnavailable, psycopg.Error) as error:
                if not is_transient(error):
                    raise LoaderError(f"the database refuses: {_line(error)}") from error
                failures += 1
                self._metrics.failed(self._directory)
                if once and failures == _ONCE_ATTEMPTS:
                    raise LoaderError(f"the database cannot be reached: {_line(error)}") from error
                logger.warning("the spool waits for the database: %s", _line(error))
                self._stop.wait(pause_after(failures))

    def _session(self, *, once: bool, keep: bool) -> None:
        """Load over one connection until the work is done or the connection breaks."""
        with connect(self._url, autocommit=True, application_name="lqo loader") as connection:
            spool_id = self._wait_for_spool(once=once)
            if spool_id is None:
                return
            # A limit meant for people's queries would stop the same batch again and again.
            connection.execute("set statement_timeout = 0")
            spool = Spool(spool_id, self._directory, self._load_id, self._settings, self._spans)
            with self._lock(connection, spool_id, once=once), self._book(connection):
                self._metrics.opened(self._directory)
                while not self._stop.is_set():
                    done = drain(connection, spool, stop=self._stop, replay=self._must_replay, keep=keep)
                    self.result += done.result
                    self._metrics.drained(self._directory, done.result, is_complete=done.is_complete)
                    self._must_replay = self._must_replay and not done.is_complete
                    if once and done.is_complete:
                        return
                    self._stop.wait(POLL_SECONDS)

    def _wait_for_spool(self, *, once: bool) -> UUID | None:
        """The spool's id; None where no proxy ever wrote here (`once`), or when stopped."""
        while not self._stop.is_set():
            found = read_spool_id(self._directory) if self._directory.is_dir() else None
            if found is None and self._directory.is_dir():
                # A copy may hold the segments alone; each of them knows its spool.
                found = next(
                    (each.spool_id for each in list_segments(self._directory) if each.spool_id), None
                )
            if found is not None:
                return UUID(found)
            if once:
                return None
            self._stop.wait(POLL_SECONDS)
        return None

    @contextmanager
    def _lock(self, connection: Connection[TupleRow], spool_id: UUID, *, once: bool) -> Iterator[None]:
        """Be this spool's only loader. The lock goes with the connection, however that ends."""
        waited = 0.0
        query = "select pg_try_advisory_lock(hashtextextended(%s, 0))"
        while connection.execute(query, (f"lqo spool {spool_id}",)).fetchone() != (True,):
            if once and waited >= BUSY_SECONDS:
                raise LoaderError(
                    f"another loader has been at the spool {self._directory} for {waited:.0f} s"
                )
            if self._stop.wait(POLL_SECONDS):
                break
            waited += POLL_SECONDS
        yield

    @contextmanager
    def _book(self, connection: Connection[TupleRow]) -> Iterator[None]:
        """Enter this run in the book of loads, and close it if it comes to its end."""
        open_load(connection, self._load_id, kind="spool", origin=str(self._directory))
        yield
        close_load(connection, self._load_id)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
