"""One spool segment: a numbered SQLite file in WAL mode with exactly one writer."""

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4
from zlib import crc32

from ingest.spool.bodies import sync_bodies
from ingest.spool.lean import stored_of
from ingest.spool.records import Record, encode_record, kind_of
from ingest.spool.wal import lost_commits

Row = tuple[str, bytes, bytes, int, str | None]
"""Kind, call id, payload, checksum, and the name of the file that holds the record's large body."""

_SCHEMA = """
create table records(
  seq integer primary key, kind text not null, call_id blob not null, payload blob not null,
  crc integer not null
);
create table bodies(seq integer primary key, name text not null);
create table segment(
  uuid text not null, number integer not null, spool_id text not null, owner text not null,
  opened_at integer not null, sealed_at integer, row_count integer, last_seq integer, damage text
);
"""
QUARANTINE = "quarantine"
"""The folder of files that are no segments of this spool, or damaged past sealing."""
COUNTS = "select count(*), coalesce(max(seq), 0) from records"
_INSERT = "insert into records(seq, kind, call_id, payload, crc) values (?, ?, ?, ?, ?)"
_INSERT_BODY = "insert into bodies(seq, name) values (?, ?)"
_NUMBER = "number"
_ROW_OVERHEAD = 64
"""Bytes a row costs in the file beside its payload, roughly: used only to decide when to rotate."""


class ForeignSegmentError(RuntimeError):
    """The file is not the segment that its name says; the message is one line."""


class OpenSegment:
    """A segment this process writes. Nothing is checkpointed before `seal`."""

    def __init__(self, connection: sqlite3.Connection, *, path: Path, uuid: UUID, number: int) -> None:
        self.path = path
        self.uuid = uuid
        self.number = number
        self.last_seq = 0
        self.size = 0
        self.opened_at = time.monotonic()
        self._connection = connection
        self._bodies: list[str] = []
        self._probes = 1

    def commit(self, rows: Sequence[Row]) -> None:
        """Write `rows` in one transaction; all or none. Raises sqlite3.Error when the disk refuses."""
        seq = self.last_seq
        numbered = [(seq + i, *row[:4]) for i, row in enumerate(rows, start=1)]
        names = [(seq + i, row[4]) for i, row in enumerate(rows, start=1) if row[4] is not None]
        try:
            self._connection.execute("begin")
            self._connection.executemany(_INSERT, numbered)
            if names:
                self._connection.executemany(_INSERT_BODY, names)
            self._connection.execute("commit")
        except sqlite3.Error:
            self._roll_back()
            raise
        self.last_seq = seq + len(rows)
        self._bodies += (name for _, name in names)
        self.size += sum(len(payload) + _ROW_OVERHEAD for _, _, payload, _, _ in rows)

    def probe(self) -> None:
        """Write what nobody reads: raises sqlite3.Error while the disk refuses."""
        # Another number each time: SQLite does not write a page that stays as it is.
        self._probes += 1
        self._connection.execute(f"pragma user_version = {self._probes}")

    def seal(self) -> None:
        """Store row count and last seq, move the WAL into the file, close.

        The counts come from what was committed here, not from the file, so that rows a damaged WAL
        swallows are missed. Raises sqlite3.Error or OSError when the disk refuses; it may then be called
        again.
        """
        sync_bodies(self.path.parent, self._bodies)
        _seal(self._connection, row_count=self.last_seq, last_seq=self.last_seq, damage=None)
        self._connection.close()

    def discard(self) -> None:
        """Close and delete a segment that never got a row."""
        self._connection.close()
        remove_files(self.path)

    def abandon(self) -> None:
        """Close without a seal; the next owner recovers what stands here."""
        self._connection.close()

    def _roll_back(self) -> None:
        # SQLite rolls back by itself on a full disk; only then is there nothing left to undo.
        if self._connection.in_transaction:
            self._connection.execute("rollback")


@dataclass(frozen=True, slots=True)
class SegmentName:
    """What a segment's file name says."""

    number: int
    uuid: UUID


def row_of(record: Record) -> Row:
    call_id, payload, stored = record.call_id.bytes, encode_record(record), stored_of(record)
    return kind_of(record), call_id, payload, checksum(call_id, payload), stored and stored.name


def checksum(call_id: bytes, payload: bytes) -> int:
    """CRC-32 of a record: SQLite's own pages have none once they are out of the write-ahead log."""
    return crc32(payload, crc32(call_id))


def parse_name(path: Path) -> SegmentName | None:
    """The number and UUID in `<number>-<uuid>.sqlite`; None for a file that is not a segment."""
    number, _, rest = path.stem.partition("-")
    if path.suffix != ".sqlite" or not number.isdecimal():
        return None
    try:
        return SegmentName(number=int(number), uuid=UUID(rest))
    except ValueError:
        return None


def segment_paths(*directories: Path) -> list[Path]:
    """The segment files of a spool, oldest first."""
    found = (path for directory in directories for path in directory.glob("*.sqlite"))
    named = [(name.number, path) for path in found if (name := parse_name(path))]
    return [path for _, path in sorted(named)]


def create_segment(
    directory: Path, *, number: int, spool_id: str, owner: str, is_synced: bool = False
) -> OpenSegment:
    """Make the next segment. It gets its final name only when it is complete, so no reader sees half.

    `is_synced`: each of its commits is on the disk before it returns, and not just with the kernel.
    """
    uuid = uuid4()
    path = directory / f"{number:010d}-{uuid}.sqlite"
    draft = path.with_suffix(".draft")
    connection = _connect(draft)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.executescript(_SCHEMA)
        connection.execute(
            "insert into segment(uuid, number, spool_id, owner, opened_at) values (?, ?, ?, ?, ?)",
            (str(uuid), number, spool_id, owner, time.time_ns()),
        )
        # To close would do it, too, but say nothing when the disk refuses.
        _checkpoint(connection)
    except sqlite3.Error:
        connection.close()
        remove_files(draft)
        raise
    connection.close()
    draft.chmod(0o600)
    draft.rename(path)
    connection = _connect(path)
    try:
        if is_synced:
            connection.execute("pragma synchronous = full")
        # The first write to a write-ahead log syncs its header: not when a call waits for it.
        connection.execute("pragma user_version = 1")
    except sqlite3.Error:
        connection.close()
        remove_files(path)
        raise
    return OpenSegment(connection, path=path, uuid=uuid, number=number)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a killed owner's segment turned out to be; `damage` is one line on what was lost, if anything."""

    was_sealed: bool
    damage: str | None = None


def recover_segment(path: Path, *, doubt: str | None = None, was_live: bool = True) -> Recovered:
    """Seal what a killed owner left; a sealed file is left alone, an empty one is deleted.

    `doubt` is what is to be said of a file that was not sealed, also of an empty one if it `was_live` (the
    one prepared behind it is empty by right). Raises ForeignSegmentError for a segment under another's
    name, sqlite3.Error for a file that cannot be opened or a disk that refuses.
    """
    connection = _connect(path)
    try:
        sealed_at, uuid, number = _own_row(connection)
        check_name(path, uuid, number)
        if sealed_at is not None:
            return Recovered(was_sealed=True)
        row_count, last_seq = connection.execute(COUNTS).fetchone()
        lost = lost_commits(wal_path(path), valid_frames=_frames_in_wal(connection))
        damage = f"{lost} commits behind a damaged WAL frame are unreadable" if lost else None
        if row_count or was_live:
            damage = damage or doubt
        if row_count or damage:
            sync_bodies(path.parent, body_files(path))
            _seal(connection, row_count=row_count, last_seq=last_seq, damage=damage)
    finally:
        connection.close()
    if not row_count and not damage:
        remove_files(path)
    return Recovered(was_sealed=False, damage=damage)


def check_name(path: Path, uuid: str, number: int) -> None:
    """Raises ForeignSegmentError where the file's name is not that of the segment in it."""
    name = parse_name(path)
    if name is None or (str(name.uuid), name.number) != (uuid, number):
        raise ForeignSegmentError(f"it is a copy of segment {number:010d}-{uuid}")


def body_files(path: Path) -> list[str]:
    """The large bodies that belong to a segment; raises sqlite3.Error for one that cannot be read."""
    connection = _connect(path)
    try:
        known = connection.execute("select 1 from sqlite_schema where name = 'bodies'").fetchone()
        return [name for (name,) in connection.execute("select name from bodies")] if known else []
    finally:
        connection.close()


def _own_row(connection: sqlite3.Connection) -> tuple[int | None, str, int]:
    row = connection.execute("select sealed_at, uuid, number from segment").fetchone()
    if row is None:
        raise ForeignSegmentError("the segment's own row is missing")
    return row


def wal_path(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def remove_files(path: Path) -> None:
    """Delete a segment and its WAL companions, the segment first, so that no reader finds it without them."""
    for name in (path, wal_path(path), path.with_name(path.name + "-shm")):
        name.unlink(missing_ok=True)


def read_number(directory: Path) -> int:
    """The number of the segment sealed last, also when all of them are deleted by now."""
    try:
        return int((directory / _NUMBER).read_bytes())
    except (OSError, ValueError):
        return 0


def write_number(directory: Path, number: int) -> None:
    with suppress(OSError):
        (directory / _NUMBER).write_bytes(b"%010d\n" % number)


def sync_directory(directory: Path) -> None:
    """Make created and renamed names in `directory` survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _connect(path: Path) -> sqlite3.Connection:
    # The writing loop and the sealing thread use a connection one after the other, never at once.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
    try:
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma wal_autocheckpoint = 0")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _seal(connection: sqlite3.Connection, *, row_count: int, last_seq: int, damage: str | None) -> None:
    # Twice: a WAL that may not grow any more has room for the seal once it is emptied.
    _checkpoint(connection)
    connection.execute(
        "update segment set sealed_at = ?, row_count = ?, last_seq = ?, damage = ?",
        (time.time_ns(), row_count, last_seq, damage),
    )
    _checkpoint(connection)


def _checkpoint(connection: sqlite3.Connection) -> None:
    busy, _, _ = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    if busy:
        raise sqlite3.OperationalError("a reader holds the segment; the checkpoint waits")


def _frames_in_wal(connection: sqlite3.Connection) -> int:
    """How many WAL frames SQLite accepted. A passive checkpoint is the only way to be told."""
    _, frames, _ = connection.execute("pragma wal_checkpoint(passive)").fetchone()
    return max(frames, 0)
