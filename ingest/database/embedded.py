"""The embedded PostgreSQL: started when needed, shared by the commands of one home, gone after the last.

Every user of the server holds a shared lock (`users.lock`). Whoever gets it alone may stop the
server: the last user on leaving, or the keeper (keeper.py) when the last user was killed.
`start.lock` is held while looking for a server and starting one, so two starts never collide.
`server.lock` is held by the server's own processes and the keeper, so that no pid has to be trusted.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.database.binaries import Binaries, packaged_binaries, runnable_by, server_account
from ingest.database.cluster import (
    OWNER,
    READER,
    SUPERUSER,
    WAREHOUSE,
    Passwords,
    Place,
    Starter,
    check_version,
    create_cluster,
    ensure_roles_and_databases,
    load_passwords,
)
from ingest.database.connect import DatabaseUnavailable, check_server, connect
from ingest.database.errors import EmbeddedServerError
from ingest.database.launch import HOST, START_SECONDS, clear_traces, launch, stop_alone
from ingest.database.locks import ALONE, POLL_SECONDS, SHARED, is_held, open_lock, take
from ingest.database.postmaster import Postmaster, read_pid_file
from ingest.database.url import DatabaseUrl, parse_url
from ingest.settings import Settings

_LEFTOVER_SECONDS = 30


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
        return _login(self.port, OWNER, self.passwords.owner)

    @property
    def reader_url(self) -> DatabaseUrl:
        """Who may only read."""
        return _login(self.port, READER, self.passwords.reader)

    @property
    def superuser_url(self) -> DatabaseUrl:
        """For making databases; nothing of ours runs as this role."""
        return _superuser(self.port, self.passwords)

    def stop(self) -> bool:
        """Give our share back; the last user stops the server and gets True. A second call does nothing."""
        if self._share is None:
            return False
        share, self._share = self._share, None
        try:
            if take(share, ALONE, seconds=0):
                stop_alone(self.place, is_throwaway=self.is_throwaway)
                return True
            # Either others use the server (then this passes at once), or the keeper is stopping it.
            take(share, SHARED, seconds=START_SECONDS)
            return False
        finally:
            os.close(share)


@contextmanager
def ensure_database(settings: Settings) -> Generator[DatabaseUrl]:
    """The warehouse: the server of DATABASE_URL, or the embedded one for as long as we are inside.

    Raises DatabaseUrlError or DatabaseUnavailable, each with one line.
    """
    if settings.database_url:
        url = parse_url(settings.database_url)
        check_server(url)
        yield url
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
    return _login(url.port, READER, passwords.reader).with_database(url.dbname)


def role_making_url(settings: Settings, url: DatabaseUrl) -> DatabaseUrl:
    """A login that may make roles: the superuser of the embedded server, else the URL's own."""
    if settings.database_url:
        return url
    passwords = load_passwords(Place(settings.postgres))
    return _superuser(url.port, passwords).with_database(url.dbname)


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
        share = open_lock(place.users_lock)
    except OSError as error:
        raise EmbeddedServerError(f"cannot write {place.folder}: {error.strerror}") from error
    try:
        if not take(share, SHARED, seconds=START_SECONDS):
            raise EmbeddedServerError(f"the server in {place.folder} has been stopping for too long")
        return _find_or_start(place, binaries, share, is_throwaway=is_throwaway)
    except BaseException as error:
        os.close(share)
        if isinstance(error, OSError):
            raise EmbeddedServerError(
                f"cannot use {error.filename or place.folder}: {error.strerror or error}"
            ) from error
        raise


def attach_embedded(folder: Path) -> DatabaseUrl | None:
    """The owner's login to the server of `folder` if one is running; starts nothing and keeps none alive."""
    place = Place(folder.absolute())
    if not place.data.exists() or not place.passwords.exists() or not is_held(place.server_lock):
        return None
    found = read_pid_file(place.data)
    if found is None or found.status != "ready":
        return None
    return _login(found.port, OWNER, load_passwords(place).owner)


def _find_or_start(
    place: Place, binaries: Binaries | None, share: int, *, is_throwaway: bool
) -> EmbeddedServer:
    start_lock = open_lock(place.start_lock)
    try:
        if not take(start_lock, ALONE, seconds=START_SECONDS):
            raise EmbeddedServerError(f"another command has been starting {place.folder} for too long")
        passwords = load_passwords(place)
        running = _running(place, passwords)
        if running is None:
            running = _start(place, binaries or packaged_binaries(), passwords, is_throwaway=is_throwaway)
        ensure_roles_and_databases(_superuser(running.port, passwords), passwords)
        return EmbeddedServer(place, running.port, running.pid, passwords, is_throwaway, share)
    finally:
        os.close(start_lock)


def _running(place: Place, passwords: Passwords) -> Postmaster | None:
    """A live server that answers; one that is starting, stopping or dying is waited for."""
    deadline = time.monotonic() + START_SECONDS
    while is_held(place.server_lock):
        found = read_pid_file(place.data)
        if found and found.status == "ready" and _answers(found, passwords):
            return found
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"the server in {place.data} does not answer (see {place.log})")
        time.sleep(POLL_SECONDS)
    return None


def _answers(found: Postmaster, passwords: Passwords) -> bool:
    try:
        connect(_superuser(found.port, passwords), autocommit=True, timeout_seconds=5).close()
    except DatabaseUnavailable as error:
        if not error.is_transient:
            raise EmbeddedServerError(str(error)) from None
        return False
    return True


def _start(place: Place, binaries: Binaries, passwords: Passwords, *, is_throwaway: bool) -> Postmaster:
    server_lock = open_lock(place.server_lock)
    try:
        if not take(server_lock, ALONE, seconds=_LEFTOVER_SECONDS):
            raise EmbeddedServerError(f"processes of a killed server still use {place.data}")
        account = server_account(place.data)
        runnable = runnable_by(account, binaries)
        clear_traces(place)
        starter = Starter(
            place=place,
            binaries=runnable,
            account=account,
            server_lock=server_lock,
            is_throwaway=is_throwaway,
        )
        if not place.data.exists():
            create_cluster(starter, password=passwords.superuser)
        check_version(place, runnable)
        return launch(starter)
    finally:
        os.close(server_lock)


def _superuser(port: int, passwords: Passwords) -> DatabaseUrl:
    return _login(port, SUPERUSER, passwords.superuser).with_database("postgres")


def _login(port: int, user: str, password: str) -> DatabaseUrl:
    # On 127.0.0.1 without TLS, and said so: a PGSSLMODE meant for another server must not break it.
    return DatabaseUrl(user, password, HOST, port, WAREHOUSE, options=(("sslmode", "disable"),))
