"""The spool as the loader sees it: read-only, while the proxy is writing."""

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

import msgspec

from ingest.spool.bodies import BodyLostError, read_body
from ingest.spool.lean import shed, stored_of, with_body
from ingest.spool.owner import SPOOL_ID, current_owner
from ingest.spool.records import End, Part, Record, Start, Stored, decode_record
from ingest.spool.segment import (
    COUNTS,
    QUARANTINE,
    ForeignSegmentError,
    check_name,
    checksum,
    parse_name,
    segment_paths,
    wal_path,
)
from ingest.spool.writer import WATERMARK

__all__ = [
    "Batch",
    "Entry",
    "Segment",
    "current_owner",
    "list_segments",
    "low_watermark",
    "read_records",
    "read_spool_id",
]

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


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record and its place. `record` is None where the payload does not decode; `error` says why.

    With both, the large body of the record is lost, and the record says `shed`.
    """

    seq: int
    call_id: bytes
    payload: bytes
    record: Record | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records in order, and the segment as it stood when they were read.

    `is_end`: nothing follows at this moment (for ever, if the segment is sealed). `segment.fault` is
    set as soon as the file contradicts its seal or itself; the entries read so far stay valid.
    """

    segment: Segment
    entries: tuple[Entry, ...]
    is_end: bool


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


def read_records(
    segment: Segment, *, after_seq: int = 0, limit: int = 1000, max_bytes: int = 64 << 20
) -> Batch:
    """The next records after `after_seq`: at most `limit`, and no more once `max_bytes` are reached.

    Nothing is raised for a damaged or vanished file: it comes back as `segment.fault` (no fault is the
    vanishing of a segment that was never written to).
    """
    try:
        return _patiently(
            lambda: _read(segment.path, after_seq=after_seq, limit=limit, max_bytes=max_bytes),
            path=segment.path,
        )
    except sqlite3.Error as error:
        # A proxy that stops deletes the segments it prepared and never wrote to.
        is_lost = segment.path.exists() or segment.is_sealed or after_seq > 0
        fault = f"unreadable: {error}" if is_lost else None
        return Batch(segment=replace(segment, fault=fault), entries=(), is_end=True)


def low_watermark(directory: Path) -> int | None:
    """Unix nanoseconds below which every call of this spool is committed and over.

    Ask before reading records. With the owner gone it is now: what is open will never end. None
    where no proxy ever wrote here.
    """
    if current_owner(directory) is None:
        return time.time_ns() if (directory / SPOOL_ID).exists() else None
    try:
        return int((directory / WATERMARK).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def read_spool_id(directory: Path) -> str | None:
    """The spool's stable id; None where no proxy ever wrote here."""
    try:
        return (directory / SPOOL_ID).read_text().strip() or None
    except FileNotFoundError:
        return None


def _read(path: Path, *, after_seq: int, limit: int, max_bytes: int) -> Batch:
    with closing(_connect(path)) as connection:
        connection.execute("begin")
        segment = _segment_row(connection, path=path)
        spool = path.parent.parent if path.parent.name == QUARANTINE else path.parent
        entries, is_end = _entries(
            connection, spool=spool, after_seq=after_seq, limit=limit, max_bytes=max_bytes
        )
        reached = entries[-1].seq if entries else after_seq
        fault = segment.fault or _hole(after_seq, reached, len(entries))
        if is_end and fault is None:
            fault = _broken_seal(connection, segment=segment)
        return Batch(segment=replace(segment, fault=fault), entries=entries, is_end=is_end)


def _patiently(read: Callable[[], T], *, path: Path) -> T:
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
        return _patiently(lambda: _sealed(path, status.st_ino, status.st_mtime_ns, status.st_size), path=path)
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
    with closing(_connect(path)) as connection:
        segment = _segment_row(connection, path=path)
        if not segment.is_sealed:
            (has_records,) = connection.execute("select exists (select 1 from records)").fetchone()
            raise _NotSealedError(segment if has_records else replace(segment, last_seq=0))
    return segment


def _segment_row(connection: sqlite3.Connection, *, path: Path) -> Segment:
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


def _entries(
    connection: sqlite3.Connection, *, spool: Path, after_seq: int, limit: int, max_bytes: int
) -> tuple[tuple[Entry, ...], bool]:
    columns = f"seq, call_id, payload, {_crc(connection)}"
    query = f"select {columns} from records where seq > ? order by seq limit ?"
    rows = connection.execute(query, (after_seq, limit + 1))
    entries: list[Entry] = []
    size = 0
    for seq, call_id, payload, crc in rows:
        if len(entries) == limit or size >= max_bytes:
            return tuple(entries), False
        entry = _entry(seq, call_id, payload, crc=crc)
        size += len(payload)
        if entry.record is not None and (stored := stored_of(entry.record)):
            size += stored.size
            entry = _whole(entry, entry.record, stored=stored, spool=spool)
        entries.append(entry)
    return tuple(entries), True


def _crc(connection: sqlite3.Connection) -> str:
    """The checksum's column; segments of releases before it had none."""
    query = "select 1 from pragma_table_info('records') where name = 'crc'"
    return "crc" if connection.execute(query).fetchone() else "null"


def _entry(seq: int, call_id: bytes, payload: bytes, *, crc: int | None) -> Entry:
    try:
        is_sound = crc is None or crc == checksum(call_id, payload)
    except TypeError:
        return Entry(seq, b"", str(payload).encode(), None, "the record is damaged: it is no bytes any more")
    if not is_sound:
        return Entry(seq, call_id, payload, None, "the record is damaged: its checksum differs")
    try:
        return Entry(seq, call_id, payload, decode_record(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Entry(seq, call_id, payload, None, f"not a spool record: {error}")


def _whole(entry: Entry, record: Record, *, stored: Stored, spool: Path) -> Entry:
    """The entry with its large body, or without it where that is lost."""
    try:
        whole = with_body(record, read_body(spool, stored))
    except (BodyLostError, msgspec.MsgspecError) as error:
        rest = shed(record) if isinstance(record, Start | Part | End) else None
        return msgspec.structs.replace(entry, record=rest, error=str(error))
    return msgspec.structs.replace(entry, record=whole)


def _hole(after_seq: int, reached: int, count: int) -> str | None:
    """Seqs run 1, 2, 3 …, so a gap means that rows were lost."""
    missing = reached - after_seq - count
    return f"{missing} records are missing between seq {after_seq} and {reached}" if missing else None


def _broken_seal(connection: sqlite3.Connection, *, segment: Segment) -> str | None:
    if not segment.is_sealed:
        return None
    held = connection.execute(COUNTS).fetchone()
    sealed = (segment.row_count, segment.last_seq)
    if held == sealed:
        return None
    return f"sealed with {sealed[0]} records up to seq {sealed[1]}, holds {held[0]} up to {held[1]}"


def _connect(path: Path) -> sqlite3.Connection:
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
