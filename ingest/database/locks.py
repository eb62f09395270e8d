"""Locks on files that the kernel drops when the last process that holds them dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path

POLL_SECONDS = 0.02
SHARED, ALONE = fcntl.LOCK_SH, fcntl.LOCK_EX


def open_lock(path: Path) -> int:
    """A descriptor to lock; programs we start do not inherit it unless told to."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def take(descriptor: int, kind: int, *, seconds: float) -> bool:
    """Take (or change to) a SHARED or ALONE lock, asking for up to `seconds`; whether we have it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True


def is_held(path: Path) -> bool:
    """Whether any process has the lock."""
    if not path.exists():
        return False
    descriptor = open_lock(path)
    try:
        return not take(descriptor, ALONE, seconds=0)
    finally:
        os.close(descriptor)
