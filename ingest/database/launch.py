"""Start the server process through its keeper, and clear up after it."""

import json
import os
import re
import secrets
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from ingest.database import keeper
from ingest.database.binaries import Account
from ingest.database.cluster import Place, Starter, data_argument, short_temp_folder, write_private
from ingest.database.errors import EmbeddedServerError
from ingest.database.locks import POLL_SECONDS
from ingest.database.postmaster import Postmaster, may_be_server_of, read_pid_file, stop_postmaster

HOST = "127.0.0.1"
START_SECONDS = 300  # recovery after a power cut replays up to max_wal_size
_PORT_ATTEMPTS = 5
_LOG_BYTES = 10 * 1024 * 1024
# Sized for a laptop: a quarter of a gigabyte of cache, and checkpoints rare enough for bulk loads.
_TUNING = {
    "listen_addresses": HOST,
    "max_connections": "100",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "work_mem": "16MB",
    "max_wal_size": "2GB",
    "synchronous_commit": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "cluster_name": "lqo",
}
_THROWAWAY = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


def launch(starter: Starter) -> Postmaster:
    """Start a server on the data and return it when it takes connections.

    Raises EmbeddedServerError with the server's own last complaint.
    """
    log = starter.place.log
    complaint = ""
    for _ in range(_PORT_ATTEMPTS):
        log_start = _rotated_size(log)
        found = _attempt(starter)
        if found:
            return found
        complaint = _complaint(log, log_start)
        if "TCP/IP" not in complaint:  # anything but a port that was taken meanwhile
            break
    raise EmbeddedServerError(f"the embedded server does not start: {complaint} (see {log})")


def clear_traces(place: Place) -> None:
    """Remove what a killed server left: its pid file and its socket directory.

    The caller holds the server's lock, so none of ours runs.
    """
    found = read_pid_file(place.data)
    if found and may_be_server_of(found.pid, place.data):
        raise EmbeddedServerError(
            f"a PostgreSQL server that lqo did not start (pid {found.pid}) "
            f"runs on {place.data}: stop it first"
        )
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    _remove_run_folder(place)


def stop_alone(place: Place, *, is_throwaway: bool) -> None:
    """Stop the server; the caller holds the users' lock alone."""
    found = read_pid_file(place.data)
    if found:
        stop_postmaster(found.pid, lock=place.server_lock)
    _remove_run_folder(place)
    if is_throwaway:
        shutil.rmtree(place.data, ignore_errors=True)


def _attempt(starter: Starter) -> Postmaster | None:
    place = starter.place
    port = _free_port(place)
    run = _make_run_folder(place, starter.account)
    found = _wait_ready(place, _start_keeper(_plan(starter, port, run), place.log))
    if found:
        write_private(place.port, str(port))
    else:
        _remove_run_folder(place)
    return found


def _plan(starter: Starter, port: int, run: Path) -> keeper.Plan:
    place = starter.place
    tuning = _TUNING | (_THROWAWAY if starter.is_throwaway else {})
    settings = tuning | {"port": str(port), "unix_socket_directories": str(run)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return keeper.Plan(
        command=[starter.binaries.program("postgres"), "-D", data_argument(place.data), *options],
        data=str(place.data),
        log=str(place.log),
        users_lock=str(place.users_lock),
        server_lock=starter.server_lock,
        run=str(run),
        identity=starter.account.identity if starter.account else keeper.Identity(),
        is_throwaway=starter.is_throwaway,
    )


def _start_keeper(plan: keeper.Plan, log_path: Path) -> int:
    """Start the keeper, which starts the server; returns a pipe that ends when the keeper does."""
    reading, writing = os.pipe()
    try:
        with log_path.open("ab") as log:
            # In a session of its own: Ctrl-C in the terminal is for us, and others may use the server.
            subprocess.run(
                [sys.executable, "-I", "-S", keeper.__file__, json.dumps(plan)],
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=log,
                cwd="/",
                pass_fds=[plan["server_lock"]],
                start_new_session=True,
                check=False,
            )
    finally:
        os.close(writing)
    return reading


def _wait_ready(place: Place, keeper_pipe: int) -> Postmaster | None:
    """The server once it takes connections; None if the keeper, hence the server, has ended."""
    deadline = time.monotonic() + START_SECONDS
    try:
        while time.monotonic() < deadline:
            found = read_pid_file(place.data)
            if found and found.status == "ready":
                return found
            has_ended, _, _ = select.select([keeper_pipe], [], [], POLL_SECONDS)
            if has_ended:
                return None
    finally:
        os.close(keeper_pipe)
    raise EmbeddedServerError(f"the server is not ready after {START_SECONDS} s (see {place.log})")


def _make_run_folder(place: Place, account: Account | None) -> Path:
    """A short private folder for the socket; the link comes first, so that a kill leaves none unnamed."""
    run = Path(short_temp_folder(), f"lqo-{secrets.token_hex(6)}")
    place.run.symlink_to(run)
    run.mkdir(mode=0o700)
    if account:
        account.own(run)
    return run


def _remove_run_folder(place: Place) -> None:
    """Remove the socket directory that the link names, and the link."""
    if not place.run.is_symlink():
        return
    target = place.run.readlink()
    if target.is_absolute() and target.name.startswith("lqo-") and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    place.run.unlink(missing_ok=True)


def _free_port(place: Place) -> int:
    """The port of last time, so that a dashboard's connection stays right; another if it is taken."""
    for wanted in (_last_port(place), 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, wanted))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise EmbeddedServerError(f"no free port on {HOST}")


def _last_port(place: Place) -> int:
    try:
        return int(place.port.read_text())
    except (OSError, ValueError):
        return 0


def _rotated_size(log: Path) -> int:
    """The size of the log that is about to be appended to; a large one is set aside first."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size < _LOG_BYTES:
        return size
    log.replace(log.with_suffix(".log.1"))
    return 0


def _complaint(log: Path, start: int) -> str:
    """The last fatal line that the server (or its keeper) wrote, without its time stamp."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read(65536).decode(errors="replace").splitlines()
    fatal = [line for line in lines if re.search(r"FATAL|PANIC|Error", line)]
    last = (fatal or lines or ["it wrote no message"])[-1]
    return last.split("] ", 1)[-1].strip()
