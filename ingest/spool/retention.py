"""Which segments may go: sealed, loaded, and old enough or past the cap."""

import sqlite3
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from ingest.spool.bodies import body_names, body_size, remove_bodies
from ingest.spool.reader import list_segments
from ingest.spool.segment import body_files, remove_files, wal_path


def unlink_sealed(
    directory: Path, *, loaded: Collection[UUID], keep_hours: float, max_bytes: int | None = None
) -> tuple[Path, ...]:
    """Delete sealed segments the loader has committed (`loaded`) and that were sealed `keep_hours` ago.

    Past `max_bytes` of segments the oldest loaded ones go early; None is no cap. A segment that is not
    loaded, not sealed or at fault is never deleted, so these alone may exceed the cap. The
    large bodies of a segment count and go with it. Returns what went.
    """
    segments = list_segments(directory)
    sizes = {segment.path: _file_size(segment.path) for segment in segments}
    bodies = body_names(directory)
    excess = 0 if max_bytes is None else sum(sizes.values()) + _sizes(directory, bodies) - max_bytes
    before_ns = time.time_ns() - int(keep_hours * 3600e9)
    gone: list[Path] = []
    for segment in segments:
        if segment.sealed_at_ns is None or segment.fault or segment.uuid not in loaded:
            continue
        if segment.sealed_at_ns <= before_ns or excess > 0:
            own = _own_bodies(segment.path) if bodies else []
            excess -= sizes[segment.path] + _sizes(directory, own)
            # The segment first: what then stays of it is swept away by the next proxy.
            remove_files(segment.path)
            remove_bodies(directory, own)
            gone.append(segment.path)
    return tuple(gone)


def _own_bodies(path: Path) -> list[str]:
    try:
        return body_files(path)
    except sqlite3.Error:
        return []


def _sizes(directory: Path, names: Iterable[str]) -> int:
    return sum(body_size(directory, name) for name in names)


def _file_size(path: Path) -> int:
    """Bytes of the segment and its WAL; a file that is gone by now has none."""
    size = 0
    for file in (path, wal_path(path)):
        with suppress(FileNotFoundError):
            size += file.stat().st_size
    return size
