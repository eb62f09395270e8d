"""The embedded PostgreSQL: started when needed, shared by the commands of one home, gone after the last.

Every user of the server holds a shared lock (`users.lock`). Whoever gets it exclusively is alone and
may stop the server: the last user on leaving, or the keeper (see keeper.py) when the last user was
killed. `start.lock` is held while looking for a server and starting one, so two starts never collide.
"""

import fcntl
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.database import keeper
from ingest.database.binaries import Account, Binaries, packaged_binaries, runnable_by, server_account
from ingest.database.cluster import (
    OWNER,
    READER,
    SUPERUSER,
    WAREHOUSE,
    Passwords,
    Place,
    check_version,
    create_cluster,
    data_argument,
    ensure_roles_and_databases,
    load_passwords,
    short_temp_folder,
)
from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.errors import EmbeddedServerError
from ingest.database.postmaster import Postmaster, leftovers, read_postmaster, stop_postmaster
from ingest.database.url import DatabaseUrl, parse_url
from ingest.settings import Settings

START_SECONDS = 300  # recovery after a power cut replays up to max_wal_size
_LEFTOVER_SECONDS = 30
_POLL_SECONDS = 0.02
_PORT_ATTEMPTS = 5
_LOG_BYTES = 10 * 1024 * 1024
_HOST = "127.0.0.1"
# Sized for a laptop: a quarter of a gigabyte of cache, and checkpoints rare enough for bulk loads.
_TUNING = {
    "listen_addresses": _HOST,
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


@dataclass(slots=True)
class EmbeddedServer:
    """A running server and our share in it. `url` is the owner's, on the warehouse database."""

    place: Place
    port: int
    pid: int
    passwords: Passwords
    is_throwaway: bool
    _share: int | None

    @property
    def url(self) -> DatabaseUrl:
        return self._login(OWNER, self.passwords.owner, WAREHOUSE)

    @property
    def reader_url(self) -> DatabaseUrl:
        """Who may only read."""
        return self._login(READER, self.passwords.reader, WAREHOUSE)

    @property
    def superuser_url(self) -> DatabaseUrl:
        """For making databases; nothing of ours runs as this role."""
        return self._login(SUPERUSER, self.passwords.superuser, "postgres")

    def stop(self) -> bool:
        """Give our share back; the last user stops the server and gets True. A second call does nothing."""
        if self._share is None:
            return False
        share, self._share = self._share, None
        try:
            if _lock(share, fcntl.LOCK_EX, seconds=0):
                _stop_alone(self.place, is_throwaway=self.is_throwaway)
                return True
            # Either others use the server (then this passes at once), or the keeper is stopping it.
            _lock(share, fcntl.LOCK_SH, seconds=START_SECONDS)
            return False
        finally:
            os.close(share)

    def _login(self, user: str, password: str, database: str) -> DatabaseUrl:
        return DatabaseUrl(user=user, password=password, host=_HOST, port=self.port, dbname=database)


@contextmanager
def ensure_database(settings: Settings) -> Generator[DatabaseUrl]:
    """The warehouse: the server of DATABASE_URL, or the embedded one for as long as we are inside.

    Raises DatabaseUrlError or DatabaseUnavailable, each with one line.
    """
    if settings.database_url:
        yield parse_url(settings.database_url)
        return
    server = start_embedded(settings.postgres)
    try:
        yield server.url
    finally:
        server.stop()


def reader_url(settings: Settings, url: DatabaseUrl) -> DatabaseUrl:
    """A login that only reads: `lqo_reader` on the embedded server, a read-only session elsewhere."""
    if settings.database_url:
        given = dict(url.options).get("options", "")
        return url.with_option("options", f"{given} -c default_transaction_read_only=on".strip())
    passwords = load_passwords(Place(settings.postgres))
    return DatabaseUrl(READER, passwords.reader, url.host, url.port, url.dbname)


def start_embedded(
    folder: Path, *, is_throwaway: bool = False, binaries: Binaries | None = None
) -> EmbeddedServer:
    """Use the server of `folder`, starting it if none runs; call `stop()` when done.

    `is_throwaway` is for tests: no fsync, and the data go with the last user.
    Raises EmbeddedServerError with one line.
    """
    place = Place(folder.absolute())
    try:
        place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        share = _open_lock(place.users_lock)
    except OSError as error:
        raise EmbeddedServerError(f"cannot write {place.folder}: {error.strerror}") from error
    try:
        if not _lock(share, fcntl.LOCK_SH, seconds=START_SECONDS):
            raise EmbeddedServerError(f"the server in {place.folder} has been stopping for too long")
        return _find_or_start(place, binaries, share, is_throwaway=is_throwaway)
    except BaseException as error:
        os.close(share)
        if isinstance(error, OSError):
            raise EmbeddedServerError(f"cannot use {place.folder}: {error.strerror or error}") from error
        raise


def _find_or_start(
    place: Place, binaries: Binaries | None, share: int, *, is_throwaway: bool
) -> EmbeddedServer:
    start_lock = _open_lock(place.start_lock)
    try:
        if not _lock(start_lock, fcntl.LOCK_EX, seconds=START_SECONDS):
            raise EmbeddedServerError(f"another command has been starting {place.folder} for too long")
        passwords = load_passwords(place)
        running = _running(place, passwords)
        if running is None:
            running = _start(place, binaries or packaged_binaries(), passwords, is_throwaway=is_throwaway)
        return EmbeddedServer(place, running.port, running.pid, passwords, is_throwaway, share)
    finally:
        os.close(start_lock)


def _running(place: Place, passwords: Passwords) -> Postmaster | None:
    """A live server of ours that answers; one that is starting or stopping is waited for."""
    deadline = time.monotonic() + START_SECONDS
    while found := read_postmaster(place.data):
        if found.status == "ready":
            _refuse_foreign(place, found)
            if _answers(found, passwords):
                return found
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"the server in {place.data} (pid {found.pid}) does not answer")
        time.sleep(_POLL_SECONDS)
    return None


def _refuse_foreign(place: Place, found: Postmaster) -> None:
    if not place.run.is_symlink() or str(place.run.readlink()) != found.socket_folder:
        raise EmbeddedServerError(
            f"a PostgreSQL server that lqo did not start (pid {found.pid}) "
            f"runs on {place.data}: stop it first"
        )


def _answers(found: Postmaster, passwords: Passwords) -> bool:
    try:
        connect(_superuser(found, passwords), autocommit=True, timeout_seconds=5).close()
    except DatabaseUnavailable as error:
        if not error.is_transient:
            raise EmbeddedServerError(str(error)) from None
        return False
    return True


def _superuser(found: Postmaster, passwords: Passwords) -> DatabaseUrl:
    return DatabaseUrl(SUPERUSER, passwords.superuser, _HOST, found.port, "postgres")


def _start(place: Place, binaries: Binaries, passwords: Passwords, *, is_throwaway: bool) -> Postmaster:
    account = server_account(place.data)
    binaries = runnable_by(account, binaries)
    _clear_traces(place)
    if not place.data.exists():
        create_cluster(
            place, binaries, account=account, password=passwords.superuser, is_throwaway=is_throwaway
        )
    check_version(place, binaries)
    found = _launch(place, binaries, account, is_throwaway=is_throwaway)
    ensure_roles_and_databases(_superuser(found, passwords), passwords)
    return found


def _clear_traces(place: Place) -> None:
    """Remove what a killed server left: its last processes, its pid file, its socket directory."""
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    while pids := leftovers(place.data):
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"processes of a killed server still use {place.data} (pid {pids[0]})")
        time.sleep(_POLL_SECONDS)
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    _remove_run_folder(place)


def _launch(place: Place, binaries: Binaries, account: Account | None, *, is_throwaway: bool) -> Postmaster:
    complaint = ""
    for _ in range(_PORT_ATTEMPTS):
        port = _free_port(place)
        run = Path(tempfile.mkdtemp(prefix="lqo-", dir=short_temp_folder()))
        if account:
            account.own(run)
        place.run.symlink_to(run)
        log_start = _rotated_size(place.log)
        pipe = _keep(place, binaries, account, port=port, run=run, is_throwaway=is_throwaway)
        found = _wait_ready(place, pipe)
        if found:
            place.port.write_text(str(port))
            return found
        complaint = _complaint(place.log, log_start)
        _remove_run_folder(place)
        if "TCP/IP" not in complaint:  # anything but a port that was taken meanwhile
            break
    raise EmbeddedServerError(f"the embedded server does not start: {complaint} (see {place.log})")


def _keep(
    place: Place, binaries: Binaries, account: Account | None, *, port: int, run: Path, is_throwaway: bool
) -> int:
    """Start the keeper, which starts the server; a pipe that ends when the keeper does."""
    tuning = _TUNING | (_THROWAWAY if is_throwaway else {})
    settings = tuning | {"port": str(port), "unix_socket_directories": str(run)}
    plan = keeper.Plan(
        command=[
            binaries.program("postgres"),
            "-D",
            data_argument(place.data),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ],
        data=str(place.data),
        log=str(place.log),
        lock=str(place.users_lock),
        run=str(run),
        identity=account.identity if account else keeper.Identity(),
        is_throwaway=is_throwaway,
    )
    command = [sys.executable, "-I", "-S", keeper.__file__, json.dumps(plan)]
    reading, writing = os.pipe()
    with place.log.open("ab") as log:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=log,
            cwd="/",
            start_new_session=True,
            check=False,
        )
    os.close(writing)
    return reading


def _wait_ready(place: Place, keeper_pipe: int) -> Postmaster | None:
    """The server once it takes connections; None if the keeper, hence the server, has ended."""
    deadline = time.monotonic() + START_SECONDS
    try:
        while time.monotonic() < deadline:
            found = read_postmaster(place.data)
            if found and found.status == "ready":
                return found
            has_ended, _, _ = select.select([keeper_pipe], [], [], _POLL_SECONDS)
            if has_ended:
                return None
    finally:
        os.close(keeper_pipe)
    raise EmbeddedServerError(f"the embedded server is not ready after {START_SECONDS} s (see {place.log})")


def _stop_alone(place: Place, *, is_throwaway: bool) -> None:
    """Stop the server; the caller holds the users' lock alone."""
    found = read_postmaster(place.data)
    if found:
        stop_postmaster(place.data, found.pid)
    _remove_run_folder(place)
    if is_throwaway:
        shutil.rmtree(place.data, ignore_errors=True)


def _remove_run_folder(place: Place) -> None:
    """Remove the socket directory that the link names, and the link."""
    if not place.run.is_symlink():
        return
    target = place.run.readlink()
    if target.name.startswith("lqo-") and target.is_absolute() and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    place.run.unlink(missing_ok=True)


def _free_port(place: Place) -> int:
    """The port of last time, so that a dashboard's connection stays right; another if it is taken."""
    for wanted in (_last_port(place), 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, wanted))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise EmbeddedServerError(f"no free port on {_HOST}")


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
    """The last fatal line that the server wrote, without its time stamp."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read(65536).decode(errors="replace").splitlines()
    fatal = [line for line in lines if re.search(r"FATAL|PANIC|rror", line)]
    last = (fatal or lines or ["it wrote no message"])[-1]
    return last.split("] ", 1)[-1].strip()


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _lock(descriptor: int, kind: int, *, seconds: float) -> bool:
    """Take a lock of `kind`, asking for up to `seconds`; whether we have it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
