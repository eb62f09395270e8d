"""`import_files`: logged calls from files into the warehouse, once, whatever happens on the way."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.url import DatabaseUrl
from ingest.importers.batches import read_batches
from ingest.importers.formats.base import Format, Within
from ingest.importers.formats.catalogue import NAMES, make_formats
from ingest.importers.formats.langfuse_traces import Traces
from ingest.importers.lander import Lander
from ingest.importers.lines import Line
from ingest.importers.parts import Part, parts_of
from ingest.importers.rejects import RejectsFile
from ingest.importers.scores import ScoreBook, ScoreSink
from ingest.importers.source_files import SourceFile, open_source
from ingest.importers.sources import SourceError
from ingest.importers.summary import ImportFailedError, ImportSummary
from ingest.landing.collecting import collecting_seldom
from ingest.landing.loads import close_load, open_load
from ingest.landing.prepare import prepare
from ingest.settings import Settings, landing_range
from ingest.uuid7 import uuid7

FORMATS = NAMES
_AHEAD = 2
"""Batches read and not yet landed: enough to keep both sides busy, few enough to stay small."""
_ORDER = {"context": 0, "calls": 1, "scores": 2}


def import_files(
    paths: Sequence[Path],
    *,
    settings: Settings,
    url: DatabaseUrl,
    format: str | None = None,  # noqa: A002  (the command line's own word)
    progress: Callable[[int], None] | None = None,
    scores: ScoreSink | None = None,
) -> ImportSummary:
    """Land the calls in `paths`, files or folders of them; `progress` is told the bytes read so far, in all.

    The format of each file is found out, among those of the name `format` if one is given. Files of scores
    come after those of calls; verdicts go to `scores` (without it they are passed over).

    A batch of some thousand lines is one transaction, so a run that was stopped anywhere is finished by
    running it again. Raises ImportFailedError when the database fails (at once) or a file cannot be read
    to its end (after the other files), ValueError for an unknown format.
    """
    if format not in (None, *FORMATS):
        raise ValueError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
    with _Run(settings=settings, url=url, progress=progress or _ignore, format_=format, scores=scores) as run:
        with collecting_seldom():
            for part in run.ordered(parts_of(paths)):
                run.file(part)
            run.end()
        if run.problems:
            raise ImportFailedError("; ".join(run.problems), summary=run.summary())
        return run.summary()


class _Run(ExitStack):
    """One call of `import_files`: counts over all its files, one connection for them."""

    def __init__(
        self,
        *,
        settings: Settings,
        url: DatabaseUrl,
        progress: Callable[[int], None],
        format_: str | None,
        scores: ScoreSink | None,
    ) -> None:
        super().__init__()
        self._url = url
        self._progress = progress
        self._settings = settings
        self._began = time.monotonic()
        self._now = datetime.now(UTC)
        self._read = 0
        self._connection: Connection[TupleRow] | None = None
        self._landers = list[Lander]()
        self._file_problems = list[str]()
        self._rejects = RejectsFile(settings.rejects / f"{self._now:%Y%m%dT%H%M%S}-{uuid7().hex[-8:]}.jsonl")
        self._scores = ScoreBook(scores, self._rejects)
        traces = Traces()
        self.callback(traces.close)
        formats = make_formats(traces)
        self._formats = [each for each in formats if format_ in (None, each.name)]
        self._found = dict[str, None]()

    def ordered(self, parts: Sequence[Part]) -> list[Part]:
        """What others need comes first, and scores last; one file needs no look."""
        return [*parts] if len(parts) < 2 else sorted(parts, key=self._place)

    def file(self, part: Part) -> None:
        source = _Source(part.path)
        with self._one_line_errors(part.path):
            try:
                opened = open_source(part.path, formats=self._formats, on_read=self._on_read)
            except SourceError as error:
                self._file_problems.append(f"{part.path}: {error}")
                return
            found = opened.format or (self._formats[0] if part.is_named else None)
            if found is None and opened.is_empty:
                return
            if found is None:
                self._file_problems.append(
                    f"{part.path}: what it is cannot be told; name the file with --format"
                )
                return
            self._found[found.name] = None
            source.opened = opened
            self._land(part.path, source, found)
        if source.problem is not None:
            count = self._landers[-1].landed + self._landers[-1].already_there
            self._file_problems.append(
                f"{part.path}: {source.problem}; what was readable has landed ({count:,} calls),"
                " import the whole file to finish"
            )

    def end(self) -> None:
        """Land the scores that are still held."""
        if self._connection is not None:
            with self._one_line_errors(Path("scores")):
                self._scores.flush(self._connection)

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
            passed_over=sum(lander.passed_over for lander in self._landers),
            scores=self._scores.counts,
            formats=tuple(self._found),
        )

    def _place(self, part: Part) -> int:
        """Its kind's place, by a look that a pipe would not survive."""
        if not part.path.is_file():
            return _ORDER["calls"]
        try:
            found = open_source(part.path, formats=self._formats, on_read=_ignore).format
        except SourceError:
            found = None
        return _ORDER["calls" if found is None else found.kind]

    def _land(self, path: Path, source: "_Source", format_: Format) -> None:
        """Read and prepare here, land in a thread of its own, so that both processors are used."""
        load_id, origin = uuid7(), str(path)
        earliest, latest = landing_range(self._settings.start, now=self._now)
        within = Within(earliest, latest)
        connection = self._connected()
        with _one_thread() as pool:
            open_load(connection, load_id, kind="import", origin=origin)
            lander = Lander(
                connection,
                load_id=load_id,
                origin=origin,
                unit=source.unit,
                rejects=self._rejects,
                scores=self._scores,
            )
            self._landers.append(lander)
            waiting = deque[Future[None]]()
            for batch in read_batches(source, read=format_.read, within=within):
                prepared = prepare(batch.calls, load_id=load_id, earliest=earliest, latest=latest)
                if len(waiting) == _AHEAD:
                    waiting.popleft().result()
                waiting.append(pool.submit(lander.land, batch, prepared))
            for landing in waiting:
                landing.result()
            close_load(connection, load_id)

    def _connected(self) -> Connection[TupleRow]:
        if self._connection is None:
            opened = connect(self._url, autocommit=True, application_name="lqo import")
            self._connection = self.enter_context(opened)
        return self._connection

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
    """The units of a file; where it cannot be read further, they end, and `problem` says why."""

    def __init__(self, path: Path) -> None:
        self.problem: str | None = None
        self.opened: SourceFile | None = None
        self._path = path

    @property
    def unit(self) -> str:
        return "line" if self.opened is None else self.opened.unit

    def __iter__(self) -> Iterator[Line]:
        try:
            if self.opened is not None:
                yield from self.opened.units
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
