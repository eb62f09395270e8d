"""Follows the access data in Postgres from beside the proxy, which never waits for it.

A thread asks for the version every half second where a database can be reached, and hands each new
snapshot to the event loop. Without a database the last good snapshot of the home serves.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ingest.access.snapshot import (
    FILE,
    Snapshot,
    load_snapshot,
    read_prices_state,
    read_snapshot,
    read_version,
    save_snapshot,
)
from ingest.settings import Settings

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

logger = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.5
PRICES_SECONDS = 10.0
"""How often the price book is asked for changes: it has no version in `access.state`."""
_LONGEST_PAUSE = 2.0
_LONGEST_START = 10.0
_CONNECT_SECONDS = 2
_SLOW_SECONDS = 1.5
"""A database that took longer to fail is slow rather than away, and may answer the next time."""
_MARK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Listener:
    prepare: Callable[[Snapshot], Any]
    apply: Callable[[Any], None]


class Follower:
    """`snapshot` is what holds now; only the event loop changes it.

    Use: `listen` (each listener gets the present state at once), then `start` on the loop, `stop` at the end.
    """

    def __init__(self, settings: Settings, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._settings = settings
        self._poll_seconds = poll_seconds
        self._listeners: list[_Listener] = []
        self._beats: list[Callable[[], object]] = []
        self._stopping = threading.Event()
        self._asked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._marked = 0.0
        self._confirmed: float | None = None
        self.snapshot = self._last_good()

    @property
    def age_seconds(self) -> float | None:
        """How long ago the database was last seen to agree with `snapshot`, also over a restart of the
        proxy; None where it never was."""
        return None if self._confirmed is None else max(time.monotonic() - self._confirmed, 0.0)

    def listen(self, on_change: Callable[[Snapshot], None]) -> None:
        """Call `on_change` now, and on the event loop with every new snapshot."""
        self.listen_prepared(lambda snapshot: snapshot, on_change)

    def listen_prepared(self, prepare: Callable[[Snapshot], T], apply: Callable[[T], None]) -> None:
        """The same where the work is long: `prepare` runs in the follower's thread, `apply` on the loop."""
        self._listeners.append(_Listener(prepare, apply))
        apply(prepare(self.snapshot))

    def each_beat(self, work: Callable[[], object]) -> None:
        """Do `work` in the follower's thread about every half second (two, while the database is down)."""
        self._beats.append(work)

    async def start(self) -> None:
        """Begin to follow; waits for the first answer, or the first quick failure, of the database: shortly
        where there is something to serve with meanwhile."""
        age, longest = self.age_seconds, self._settings.access_max_age_hours * 3600
        # Of what is too old to let anybody in, nothing is served meanwhile.
        patience_seconds = _LONGEST_START if age is None or age > longest else _LONGEST_PAUSE
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="lqo access follower", daemon=True)
        self._thread.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                await self._asked.wait()

    def stop(self) -> None:
        """End the thread; one that waits for a dead database is left to die with the process."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _last_good(self) -> Snapshot:
        path = self._settings.home / FILE
        try:
            found = load_snapshot(self._settings.home)
        except ValueError as error:
            logger.warning("the last good access data are lost: %s", error)
            with contextlib.suppress(OSError):
                path.replace(path.with_suffix(".broken"))
            return Snapshot()
        if found is None:
            return Snapshot()
        with contextlib.suppress(OSError):
            self._confirmed = time.monotonic() - max(time.time() - path.stat().st_mtime, 0.0)
        return found

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._follow()
            except Exception as error:  # whatever a database may do must not end the following
                self._note(error)
            if time.monotonic() - began < _SLOW_SECONDS:
                self._tell(self._asked.set)
            self._beat()
            self._stopping.wait(min(self._poll_seconds * 2 ** min(self._failures, 4), _LONGEST_PAUSE))

    def _follow(self) -> None:
        """Poll over one connection until it breaks; returns at once where there is no server."""
        connection = _connect(self._settings)
        if connection is None:
            return
        with contextlib.closing(connection):
            held = prices = None
            asked = 0.0
            while True:
                if prices is None or time.monotonic() - asked > PRICES_SECONDS:
                    asked, state = time.monotonic(), read_prices_state(connection)
                    held, prices = (held if state == prices else None), state
                if held is None or held != read_version(connection):
                    held = self._read(connection)
                else:
                    self._confirm()
                self._beat()
                if self._stopping.wait(self._poll_seconds):
                    return

    def _read(self, connection: "Connection[TupleRow]") -> int:
        """Take a new snapshot to everybody who listens; its version."""
        read_at = time.monotonic()
        snapshot = read_snapshot(connection)
        if self._failures:
            logger.info("the access data are followed again")
        self._failures = 0
        try:
            save_snapshot(self._settings.home, snapshot)
        except OSError as error:
            logger.warning("the access data cannot be kept for a start without the database: %s", error)
        ready = [(each, prepared) for each in self._listeners if (prepared := _prepared(each, snapshot))]
        self._tell(lambda: self._apply(snapshot, ready, read_at=read_at))
        return snapshot.version

    def _apply(
        self, snapshot: Snapshot, ready: "list[tuple[_Listener, tuple[Any]]]", *, read_at: float
    ) -> None:
        self.snapshot = snapshot
        self._confirmed = read_at  # not before: until now older rows held
        for listener, (prepared,) in ready:
            try:
                listener.apply(prepared)
            except Exception:
                logger.exception("new access data were not taken in everywhere")
        self._asked.set()

    def _beat(self) -> None:
        for work in self._beats:
            try:
                work()
            except Exception:
                logger.exception("a regular task of the proxy failed")

    def _confirm(self) -> None:
        self._confirmed = time.monotonic()
        if self._confirmed - self._marked > _MARK_SECONDS:
            self._marked = self._confirmed
            with contextlib.suppress(OSError):
                os.utime(self._settings.home / FILE)

    def _note(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            text = " ".join(str(error).split()) or type(error).__name__
            logger.warning("the access data cannot be followed, the last good ones hold: %s", text)

    def _tell(self, work: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever would listen
            if self._loop is not None:
                self._loop.call_soon_threadsafe(work)


def _prepared(listener: _Listener, snapshot: Snapshot) -> tuple[Any] | None:
    try:
        return (listener.prepare(snapshot),)
    except Exception:
        logger.exception("new access data could not be read everywhere")
        return None


def _connect(settings: Settings) -> "Connection[TupleRow] | None":
    """A connection where a server is configured or runs; the drivers are imported only then."""
    if settings.database_url is None and not (settings.postgres / "data" / "postmaster.pid").exists():
        return None
    from ingest.database.connect import connect
    from ingest.database.embedded import attach_embedded
    from ingest.database.url import parse_url

    given = settings.database_url
    url = attach_embedded(settings.postgres) if given is None else parse_url(given)
    if url is None:
        return None
    return connect(
        url, autocommit=True, application_name="lqo proxy (access)", timeout_seconds=_CONNECT_SECONDS
    )
