"""Large bodies: each a file beside the segments, so that no commit of theirs holds up a small one.

A record whose body is large says where it stands (`records.Stored`); its segment's table `bodies` lists the
names, so that the files go with the segment. The file is whole before the record is committed.
"""

import os
import zlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from ingest.spool.records import Stored

FOLDER = "bodies"
_CHUNK = 1 << 20


class BodyLostError(RuntimeError):
    """A large body is missing, cut short or altered; the message is one line."""


def write_body(directory: Path, data: bytes, *, is_synced: bool) -> Stored:
    """Write `data` to a new file of the spool in `directory`; nothing of it is left when OSError is raised.

    `is_synced`: it also survives a power cut once this returns.
    """
    folder = directory / FOLDER
    folder.mkdir(exist_ok=True, mode=0o700)
    stored = Stored(name=f"{uuid4()}.body", size=len(data), crc=zlib.crc32(data))
    path = folder / stored.name
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _write(handle, data)
        if is_synced:
            os.fsync(handle)
            _sync(folder)
            _sync(directory)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    return stored


def read_body(directory: Path, stored: Stored) -> bytes:
    """The body, as it was written. Raises BodyLostError for anything else."""
    name = Path(stored.name).name
    try:
        data = (directory / FOLDER / name).read_bytes()
    except OSError as error:
        raise BodyLostError(f"the body {name} cannot be read: {error.strerror}") from error
    if len(data) != stored.size:
        raise BodyLostError(f"the body {name} has {len(data)} of {stored.size} bytes")
    if zlib.crc32(data) != stored.crc:
        raise BodyLostError(f"the body {name} is damaged: its checksum differs")
    return data


def sync_bodies(directory: Path, names: Collection[str]) -> None:
    """Make these bodies survive a power cut. One that is gone is told when it is read."""
    for name in names:
        with suppress(FileNotFoundError):
            _sync(directory / FOLDER / Path(name).name)
    if names:
        _sync(directory / FOLDER)
        _sync(directory)


def remove_bodies(directory: Path, names: Collection[str]) -> None:
    for name in names:
        (directory / FOLDER / Path(name).name).unlink(missing_ok=True)


def remove_strays(directory: Path, *, known: Collection[str]) -> int:
    """Delete the files no record tells of: their writer was killed in between. Returns how many."""
    strays = body_names(directory) - set(known)
    remove_bodies(directory, strays)
    return len(strays)


def body_names(directory: Path) -> set[str]:
    with suppress(FileNotFoundError):
        return {path.name for path in (directory / FOLDER).iterdir()}
    return set()


def body_size(directory: Path, name: str) -> int:
    """Bytes on disk; a file that is gone has none."""
    with suppress(FileNotFoundError):
        return (directory / FOLDER / Path(name).name).stat().st_size
    return 0


def _write(handle: int, data: bytes) -> None:
    # In pieces: a write of 20 MB at once keeps the disk from the commits of small calls meanwhile.
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view[:_CHUNK]) :]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
