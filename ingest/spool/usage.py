"""What a spool takes on the disk, and how far its loader says it has come."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ingest.spool.bodies import FOLDER
from ingest.spool.segment import QUARANTINE

LOADED = "loaded"
"""The file in which a loader says when it last had everything, in Unix nanoseconds."""


@dataclass(frozen=True, slots=True)
class Usage:
    """`loaded_at_ns`: what was spooled before has landed; None where no loader ever said so."""

    bytes_on_disk: int = 0
    quarantined: int = 0
    loaded_at_ns: int | None = None


def measure(directory: Path) -> Usage:
    """Look at every file of the spool: milliseconds for thousands of them, so not on the event loop."""
    quarantined = sum(path.suffix == ".sqlite" for path in _files(directory / QUARANTINE))
    size = sum(_size(path) for folder in ("", FOLDER, QUARANTINE) for path in _files(directory / folder))
    return Usage(bytes_on_disk=size, quarantined=quarantined, loaded_at_ns=_loaded_at(directory))


def say_loaded(directory: Path, *, at_ns: int) -> None:
    """Note that all spooled before `at_ns` has landed; a folder that cannot be written has no note."""
    with suppress(OSError):
        handle = os.open(directory / LOADED, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(handle, b"%020d\n" % at_ns, 0)
        finally:
            os.close(handle)


def _loaded_at(directory: Path) -> int | None:
    with suppress(OSError, ValueError):
        return min(int((directory / LOADED).read_bytes()), time.time_ns())
    return None


def _files(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [*folder.iterdir()]
    return []


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
