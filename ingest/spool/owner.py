"""Who writes a spool: a lock held for life, an epoch that every segment carries, and a stable id."""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from uuid import uuid4

LOCK = "owner.lock"
SPOOL_ID = "spool_id"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SpoolBusyError(RuntimeError):
    """Another proxy owns the spool; the message is one line."""


class Owner:
    """The right to write a spool, held until `release` or death (flock).

    `is_after_power_cut`: the machine has started anew since the last owner, which did not sync its commits.
    """

    def __init__(self, directory: Path, *, durability: str = "process", wait_seconds: float = 1.0) -> None:
        """Take the lock or raise SpoolBusyError. The wait outlasts a reader that just asks."""
        self.epoch = str(uuid4())
        self.durability = durability
        self._handle = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(self._handle, directory=directory, deadline=time.monotonic() + wait_seconds)
            _, _, boot, durability_then = _words(self._handle)
            self.is_after_power_cut = durability_then == "process" and boot != boot_id()
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"{self.epoch} {os.getpid()} {boot_id()} {durability}\n".encode(), 0)
            os.fsync(self._handle)
        except BaseException:
            os.close(self._handle)
            raise

    def release(self) -> None:
        os.close(self._handle)


def current_owner(directory: Path) -> str | None:
    """The epoch of the proxy that owns the spool now; None if it is gone (or never was).

    A segment whose `owner` is another epoch, or any segment when this is None, will get no more
    records. Ask first and read the records after: then nothing can appear in between.
    """
    try:
        handle = os.open(directory / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        if _try_lock(handle, fcntl.LOCK_SH):
            return None
        return _words(handle)[0] or "starting"
    finally:
        os.close(handle)


def boot_id() -> str:
    """Which start of the machine this is; nothing where the kernel does not say."""
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return ""


def spool_id(directory: Path) -> str:
    """The spool's stable id, made on first use. Call it as the owner."""
    path = directory / SPOOL_ID
    with contextlib.suppress(FileNotFoundError):
        if text := path.read_text().strip():
            return text
    draft = path.with_suffix(".draft")
    draft.write_text(f"{uuid4()}\n")
    draft.rename(path)
    return path.read_text().strip()


def _words(handle: int) -> tuple[str, str, str, str]:
    """Epoch, pid, boot and durability of who wrote last; empty where it is not said."""
    words = os.pread(handle, 200, 0).decode("ascii", "replace").split()
    epoch, pid, boot, durability = (*words, "", "", "", "")[:4]
    return epoch, pid, boot, durability


def _take(handle: int, *, directory: Path, deadline: float) -> None:
    while not _try_lock(handle, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            pid = _words(handle)[1]
            raise SpoolBusyError(f"the spool {directory} is owned by another proxy (pid {pid or 'unknown'})")
        time.sleep(0.02)


def _try_lock(handle: int, operation: int) -> bool:
    try:
        fcntl.flock(handle, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
