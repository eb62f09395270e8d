"""The server process of a data directory: what its pid file says, and how it is stopped."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ingest.database.locks import POLL_SECONDS, is_held

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The content of `postmaster.pid`. `status` is starting, ready, stopping or standby."""

    pid: int
    port: int
    status: str


def read_pid_file(data: Path) -> Postmaster | None:
    """What the file says, true or stale; None without a file."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    lines += [""] * 8  # a server that has just begun has not written all of its eight lines
    port = int(lines[3]) if lines[3].isdigit() else 0
    return Postmaster(pid=pid, port=port, status=lines[7].strip() or "starting")


def may_be_server_of(pid: int, data: Path) -> bool:
    """Whether `pid` is a postgres that works in `data`; in doubt (a folder we may not look up), True."""
    if not is_postgres(pid):
        return False
    try:
        return _PROC.joinpath(str(pid), "cwd").samefile(data)
    except FileNotFoundError:
        return not _PROC.joinpath("self").exists()
    except PermissionError:
        return True


def is_postgres(pid: int) -> bool:
    """Whether `pid` is a living process called postgres: a recycled pid is somebody else."""
    comm = _PROC / str(pid) / "comm"
    if _PROC.joinpath("self").exists():
        return comm.exists() and comm.read_text().strip() == "postgres"
    run = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return run.stdout.strip().endswith("postgres")


def stop_postmaster(pid: int, *, lock: Path, patience_seconds: float = 120) -> None:
    """Fast shutdown: clients are cut off, nothing is lost. An immediate one if that takes too long.

    `lock` is the file that every process of the server (and its keeper) holds a lock on.
    """
    for number, patience in ((signal.SIGINT, patience_seconds), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        if not is_held(lock):
            return
        if is_postgres(pid):
            os.kill(pid, number)
        if _wait_until_free(lock, seconds=patience):
            return


def _wait_until_free(lock: Path, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_held(lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
