"""`import_files`: logged calls from files into the warehouse, once, whatever happens on the way."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.url import DatabaseUrl
from ingest.importers.batches import read_batches
from ingest.importers.lander import Lander
from ingest.importers.lines import Line, split_lines
from ingest.importers.rejects import RejectsFile
from ingest.importers.sources import SourceError, read_chunks
from ingest.importers.summary import ImportFailedError, ImportSummary
from ingest.landing.collecting import collecting_seldom
from ingest.landing.loads import close_load, open_load
from ingest.landing.prepare import prepare
from ingest.settings import Settings, landing_range
from ingest.uuid7 import uuid7

FORMATS = ("canonical",)
_AHEAD = 2
"""Batches read and not yet landed: enough to keep both sides busy, few enough to stay small."""


def import_files(
    paths: Sequence[Path],
    *,
    settings: Settings,
    url: DatabaseUrl,
    format: str | None = None,  # noqa: A002  (the command line's own word)
    progress: Callable[[int], None] | None = None,
) -> ImportSummary:
    """Land the calls in `paths`, one after the other; `progress` is told the bytes read so far, in all.

    A batch of some thousand lines is one transaction, so a run that was stopped anywhere is finished by
    running it again. Raises ImportFailedError when the database fails (at once) or a file cannot be read
    to its end (after the other files), ValueError for an unknown format.
    """
    if format not in (None, *FORMATS):
        raise ValueError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
    run = _Run(settings=settings, url=url, progress=progress or _ignore)
    with collecting_seldom():
        for path in paths:
            run.file(path)
    if run.problems:
        raise ImportFailedError("; ".join(run.problems), summary=run.summary())
    return run.summary()


class _Run:
    """One call of `import_files`: counts over all its files."""

    def __init__(self, *, settings: Settings, url: DatabaseUrl, progress: Callable[[int], None]) -> None:
        self._url = url
        self._progress = progress
        self._settings = settings
        self._began = time.monotonic()
        self._now = datetime.now(UTC)
        self._read = 0
        self._landers = list[Lander]()
        self._file_problems = list[str]()
        self._rejects = RejectsFile(settings.rejects / f"{self._now:%Y%m%dT%H%M%S}-{uuid7().hex[-8:]}.jsonl")

    def file(self, path: Path) -> None:
        source = _Source(path, on_read=self._on_read)
        with self._one_line_errors(path):
            self._land(path, source)
        if source.problem is not None:
            count = self._landers[-1].landed + self._landers[-1].already_there
            self._file_problems.append(
                f"{path}: {source.problem}; what was readable has landed ({count:,} calls),"
                " import the whole file to finish"
            )

    @property
    def problems(self) -> list[str]:
        rejects = self._rejects.problem
        return [*self._file_problems, *([f"{rejects}; see raw.dead_letters"] if rejects else [])]

    def summary(self) -> ImportSummary:
        return ImportSummary(
            landed=sum(lander.landed for lander in self._landers),
            already_there=sum(lander.already_there for lander in self._landers),
            rejected=sum(lander.rejected for lander in self._landers),
            rejects_file=self._rejects.path if self._rejects.written else None,
            seconds=time.monotonic() - self._began,
        )

    def _land(self, path: Path, source: "_Source") -> None:
        """Read and prepare here, land in a thread of its own, so that both processors are used."""
        load_id, origin = uuid7(), str(path)
        earliest, latest = landing_range(self._settings.start, now=self._now)
        with (
            connect(self._url, autocommit=True, application_name="lqo import") as connection,
            _one_thread() as pool,
        ):
            open_load(connection, load_id, kind="import", origin=origin)
            lander = Lander(connection, load_id=load_id, origin=origin, rejects=self._rejects)
            self._landers.append(lander)
            waiting = deque[Future[None]]()
            for batch in read_batches(source, earliest=earliest, latest=latest):
                prepared = prepare(batch.calls, load_id=load_id, earliest=earliest, latest=latest)
                if len(waiting) == _AHEAD:
                    waiting.popleft().result()
                waiting.append(pool.submit(lander.land, batch, prepared))
            for landing in waiting:
                landing.result()
            close_load(connection, load_id)

    def _on_read(self, size: int) -> None:
        self._read += size
        self._progress(self._read)

    @contextmanager
    def _one_line_errors(self, path: Path) -> Iterator[None]:
        try:
            yield
        except (DatabaseUnavailable, psycopg.Error) as error:
            summary = self.summary()
            done = summary.landed + summary.already_there
            raise ImportFailedError(
                f"{path}: the database failed after {done:,} calls ({str(error).partition(chr(10))[0]});"
                " run the same import again to finish",
                summary=summary,
            ) from error


class _Source:
    """The lines of a file; where it cannot be read further, they end, and `problem` says why."""

    def __init__(self, path: Path, *, on_read: Callable[[int], None]) -> None:
        self.problem: str | None = None
        self._path = path
        self._on_read = on_read

    def __iter__(self) -> Iterator[Line]:
        try:
            yield from split_lines(read_chunks(self._path, on_read=self._on_read))
        except SourceError as error:
            self.problem = str(error)


@contextmanager
def _one_thread() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lander")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore(_read: int) -> None:
    pass
