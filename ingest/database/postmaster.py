"""The server process of a data directory: find it, tell it from a recycled pid, stop it."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.02
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says. `status` is starting, ready, stopping or standby."""

    pid: int
    port: int
    socket_folder: str
    status: str


def read_postmaster(data: Path) -> Postmaster | None:
    """The server that runs on `data` now; None if there is none, whatever file a killed one left."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    if not is_server_of(pid, data):
        return None
    lines += [""] * 8  # a server that has just begun has not written all of its eight lines
    port = int(lines[3]) if lines[3].isdigit() else 0
    return Postmaster(pid=pid, port=port, socket_folder=lines[4], status=lines[7].strip() or "starting")


def is_server_of(pid: int, data: Path) -> bool:
    """Whether `pid` is a living postgres whose working directory is `data`."""
    if not _PROC.joinpath("self", "cwd").exists():
        return _is_postgres_by_ps(pid)
    try:
        name = _PROC.joinpath(str(pid), "comm").read_text().strip()
        return name == "postgres" and _PROC.joinpath(str(pid), "cwd").samefile(data)
    except OSError:
        return False


def leftovers(data: Path) -> list[int]:
    """Every living postgres process of `data`: backends outlive a killed postmaster by a moment."""
    if not _PROC.joinpath("self", "cwd").exists():
        found = read_postmaster(data)
        return [found.pid] if found else []
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [pid for pid in pids if is_server_of(pid, data)]


def stop_postmaster(data: Path, pid: int, *, patience_seconds: float = 120) -> None:
    """Fast shutdown (clients are cut off, nothing is lost); an immediate one if that takes too long."""
    for sign, patience in ((signal.SIGINT, patience_seconds), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        if not is_server_of(pid, data):
            return
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        if wait_until_gone(data, pid, seconds=patience):
            return


def wait_until_gone(data: Path, pid: int, *, seconds: float) -> bool:
    """Poll until `pid` is no server of `data` any more; False if it still is after `seconds`."""
    deadline = time.monotonic() + seconds
    while is_server_of(pid, data):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _is_postgres_by_ps(pid: int) -> bool:
    run = subprocess.run(
        ["ps", "-o", "stat=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, command = run.stdout.strip().partition(" ")
    return command.strip().endswith("postgres") and not state.startswith("Z")
