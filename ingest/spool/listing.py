"""The files of a spool and what they say of themselves, read-only, while the proxy is writing."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from ingest.spool.segment import (
    QUARANTINE,
    ForeignSegmentError,
    check_name,
    parse_name,
    segment_paths,
    wal_path,
)

T = TypeVar("T")
_TRIES = 50
_TRANSIENT = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the spool. `fault` is one line on what is known to be lost or unreadable in it."""

    path: Path
    uuid: UUID
    number: int
    spool_id: str | None = None
    owner: str | None = None
    opened_at_ns: int | None = None
    sealed_at_ns: int | None = None
    row_count: int | None = None
    last_seq: int | None = None
    fault: str | None = None

    @property
    def is_sealed(self) -> bool:
        return self.sealed_at_ns is not None

    def is_abandoned(self, owner: str | None) -> bool:
        """True if nobody writes here any more, given `current_owner` asked before reading."""
        return self.is_sealed or owner is None or self.owner != owner


def list_segments(directory: Path) -> tuple[Segment, ...]:
    """The segments that hold something, oldest first. A file that cannot be read is listed with its fault.

    Read them in this order and to their ends, and records come as they were written, over segments
    too: all but the last one listed are finished. (Hence the segment prepared for later is left out, with
    all behind it: filled after its predecessor was read, it would show an END before its START.)
    Cheap enough to ask every second: sealed files do not change and are opened once per process.
    """
    found: list[Segment] = []
    for path in segment_paths(directory, directory / QUARANTINE):
        segment = _describe(path)
        if segment is not None and not segment.is_sealed and segment.last_seq == 0 and not segment.fault:
            break
        if segment is not None:
            found.append(segment)
    return tuple(found)


def segment_row(connection: sqlite3.Connection, *, path: Path) -> Segment:
    row = connection.execute(
        "select uuid, number, spool_id, owner, opened_at, sealed_at, row_count, last_seq, damage from segment"
    ).fetchone()
    if row is None:
        raise sqlite3.DatabaseError("the segment's own row is missing")
    uuid, number, spool_id, owner, opened_at, sealed_at, row_count, last_seq, damage = row
    counts = (opened_at, sealed_at, row_count, last_seq)
    if not all(value is None or type(value) is int for value in (number, *counts)):
        raise sqlite3.DatabaseError("the segment's own row is damaged")
    try:
        segment = Segment(path, UUID(uuid), number, spool_id, owner, *counts, damage)
    except (ValueError, AttributeError, TypeError) as error:
        raise sqlite3.DatabaseError("the segment's own row is damaged") from error
    try:
        check_name(path, uuid, number)
    except ForeignSegmentError as error:
        # A copy has a checkpoint of its own: the original may hold more.
        return replace(segment, uuid=uuid5(NAMESPACE_URL, path.name), fault=str(error))
    if path.parent.name == QUARANTINE:
        return replace(segment, fault=segment.fault or "in quarantine: it could not be sealed")
    return segment


def _unreadable(path: Path, *, error: sqlite3.Error) -> Segment | None:
    name = parse_name(path)
    return name and Segment(path=path, uuid=name.uuid, number=name.number, fault=f"unreadable: {error}")


def patiently(read: Callable[[], T], *, path: Path) -> T:
    """Opening may fail for the moment in which a segment is sealed; only what lasts is a fault."""
    for _ in range(_TRIES - 1):
        try:
            return _checked(read)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _TRANSIENT or not path.exists():
                raise
        time.sleep(0.02)
    return _checked(read)


def _checked(read: Callable[[], T]) -> T:
    """A damaged schema is quoted in SQLite's message, which Python then cannot decode."""
    try:
        return read()
    except UnicodeDecodeError as error:
        raise sqlite3.DatabaseError("its schema is damaged") from error


def _describe(path: Path) -> Segment | None:
    """What the file says of itself; None where it is no segment or is gone by now."""
    name = parse_name(path)
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if name is None:
        return None
    try:
        return patiently(lambda: _sealed(path, status.st_ino, status.st_mtime_ns, status.st_size), path=path)
    except _NotSealedError as live:
        return live.segment
    except sqlite3.Error as error:
        if not path.exists():
            return None
        return _unreadable(path, error=error)


class _NotSealedError(Exception):
    """Keeps what may still change out of the cache."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment


@lru_cache(maxsize=20_000)
def _sealed(path: Path, inode: int, modified_ns: int, size: int) -> Segment:
    with closing(connect_read_only(path)) as connection:
        segment = segment_row(connection, path=path)
        if not segment.is_sealed:
            (has_records,) = connection.execute("select exists (select 1 from records)").fetchone()
            raise _NotSealedError(segment if has_records else replace(segment, last_seq=0))
    return segment


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Read-only. Without a WAL the file is all there is, and read as such it needs no companions.

    (A live segment whose WAL is still empty holds no records yet, so nothing is missed by it.)
    """
    mode = "mode=ro" if _size_of(wal_path(path)) else "mode=ro&immutable=1"
    uri = f"file:{quote(str(path.absolute()))}?{mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0)
    connection.execute("pragma query_only = on")
    connection.text_factory = _lenient
    return connection


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
