"""The spool as the loader sees it: read-only, while the proxy is writing."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from ingest.spool.bodies import BodyLostError, read_body
from ingest.spool.lean import shed, stored_of, with_body
from ingest.spool.listing import Segment, connect_read_only, list_segments, patiently, segment_row
from ingest.spool.owner import SPOOL_ID, current_owner
from ingest.spool.records import End, Part, Record, Start, Stored, decode_record
from ingest.spool.segment import COUNTS, QUARANTINE, checksum
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


def read_records(
    segment: Segment, *, after_seq: int = 0, limit: int = 1000, max_bytes: int = 64 << 20
) -> Batch:
    """The next records after `after_seq`: at most `limit`, and no more once `max_bytes` are reached.

    Nothing is raised for a damaged or vanished file: it comes back as `segment.fault` (no fault is the
    vanishing of a segment that was never written to).
    """
    try:
        return patiently(
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
    with closing(connect_read_only(path)) as connection:
        connection.execute("begin")
        segment = segment_row(connection, path=path)
        spool = path.parent.parent if path.parent.name == QUARANTINE else path.parent
        entries, is_end = _entries(
            connection, spool=spool, after_seq=after_seq, limit=limit, max_bytes=max_bytes
        )
        reached = entries[-1].seq if entries else after_seq
        fault = segment.fault or _hole(after_seq, reached, len(entries))
        if is_end and fault is None:
            fault = _broken_seal(connection, segment=segment)
        return Batch(segment=replace(segment, fault=fault), entries=entries, is_end=is_end)


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
