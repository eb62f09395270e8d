"""What legacy exports of Langfuse tell of traces alone: held on disk while their observations are read.

https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields#traces
"""

import sqlite3
from typing import Any

import msgspec

from ingest.importers.formats.base import Said, Within
from ingest.importers.formats.values import encoded, encoded_json
from ingest.importers.shapes import Shape
from ingest.landing.result import Problem
from ingest.providers.lenient import read_object

_PASSED_OVER = (Said(),)
_MAKE = "create table traces (id text primary key, said blob) without rowid"


class Trace(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a trace says of all its observations."""

    name: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    environment: str | None = None
    release: str | None = None
    tags: list[Any] | None = None


class _Row(msgspec.Struct, kw_only=True):
    id: str
    name: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    environment: str | None = None
    release: str | None = None
    tags: Any = None


class Traces:
    """Traces by id, in a temporary file of SQLite's; what was said last of one counts."""

    def __init__(self) -> None:
        self.count = 0
        self._rows: sqlite3.Connection | None = None

    def read(self, line: bytes, within: Within) -> tuple[Said, ...]:
        """Keep a row of `traces/`; it is no call."""
        read = _shape.read(line)
        if isinstance(read, Problem):
            return (Said(read),)
        row, _ = read
        tags = row.tags if isinstance(row.tags, list) else None
        said = Trace(row.name, row.user_id, row.session_id, row.environment, row.release, tags)
        if said != Trace():
            self._put(row.id, said)
        return _PASSED_OVER

    def find(self, trace_id: str) -> Trace:
        """What is known of a trace; nothing for one that nobody told of."""
        if self._rows is None:
            return Trace()
        row = self._rows.execute("select said from traces where id = ?", (encoded(trace_id),)).fetchone()
        return Trace() if row is None else msgspec.convert(read_object(row[0]), Trace)

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()

    def _put(self, trace_id: str, said: Trace) -> None:
        if self._rows is None:
            # An empty name is a temporary database: in memory while it is small, then in an unnamed file.
            self._rows = sqlite3.connect("", isolation_level=None)
            self._rows.execute("pragma journal_mode = off")
            self._rows.execute(_MAKE)
        self._rows.execute(
            "insert or replace into traces values (?, ?)",
            (encoded(trace_id), encoded_json(msgspec.to_builtins(said))),
        )
        self.count += 1


_shape = Shape(_Row)
