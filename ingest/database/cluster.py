"""A data directory of our own: made whole or not at all, with its roles and databases."""

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ingest.database.binaries import NOBODY_ID, Account, Binaries
from ingest.database.connect import connect
from ingest.database.errors import EmbeddedServerError
from ingest.database.keeper import Identity
from ingest.database.url import DatabaseUrl

WAREHOUSE, DAGSTER = "lqo", "dagster"
SUPERUSER, OWNER, READER = "postgres", "lqo_owner", "lqo_reader"
# The link that every Linux process has to its working directory: it needs no right on the parents,
# has no spaces, and is never long.
_OWN_FOLDER = "/proc/self/cwd"


@dataclass(frozen=True, slots=True)
class Passwords:
    """One generated password a role, kept in `passwords.json` (0600)."""

    superuser: str = field(repr=False)
    owner: str = field(repr=False)
    reader: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one embedded server, below `LQO_HOME/postgres`."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def passwords(self) -> Path:
        return self.folder / "passwords.json"

    @property
    def port(self) -> Path:
        return self.folder / "port"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def run(self) -> Path:
        """A link to the socket directory of the server we started."""
        return self.folder / "run"

    @property
    def users_lock(self) -> Path:
        return self.folder / "users.lock"

    @property
    def server_lock(self) -> Path:
        """Held by every process of the server, and by its keeper: they inherit the locked descriptor."""
        return self.folder / "server.lock"

    @property
    def start_lock(self) -> Path:
        return self.folder / "start.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """All that a start needs. `server_lock` is a descriptor that holds the lock alone."""

    place: Place
    binaries: Binaries
    account: Account | None
    server_lock: int
    is_throwaway: bool


def load_passwords(place: Place) -> Passwords:
    """Read the passwords; make and keep new ones if there is no cluster yet."""
    if not place.data.exists() and not place.passwords.exists():
        made = Passwords(*(secrets.token_urlsafe(24) for _ in range(3)))
        write_private(place.passwords, json.dumps(asdict(made)))
        return made
    try:
        return Passwords(**json.loads(place.passwords.read_text()))
    except FileNotFoundError:
        raise EmbeddedServerError(
            f"{place.passwords} is gone, and {place.data} cannot be opened without it: "
            f"restore the file, or move {place.data} away to start anew"
        ) from None
    except (ValueError, TypeError):
        raise EmbeddedServerError(f"{place.passwords} does not parse: restore it") from None


def create_cluster(starter: Starter, *, password: str) -> None:
    """initdb into a draft that becomes `data` when complete: a killed initdb leaves no half cluster."""
    draft = starter.place.folder / "data.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        _initdb(starter, draft, password)
        if starter.account:
            starter.account.own_tree(draft)
        draft.rename(starter.place.data)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def check_version(place: Place, binaries: Binaries) -> None:
    """Refuse a data directory of another major version before the server does so less clearly."""
    try:
        made_by = (place.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedServerError(f"{place.data} holds no PostgreSQL data (no PG_VERSION)") from None
    if made_by != binaries.major:
        raise EmbeddedServerError(
            f"{place.data} belongs to PostgreSQL {made_by}, and this installation brings "
            f"{binaries.version}: dump it with the older version, or move it away to start anew"
        )


def ensure_roles_and_databases(superuser: DatabaseUrl, passwords: Passwords) -> None:
    """`lqo_owner` owns `lqo` and `dagster` and is no superuser; `lqo_reader` may read `lqo` only.

    `lqo_alerts` has no login: the owner takes it on for the SQL of alert rules, which may read marts alone.
    Each step is asked for first, so that a start that was killed in between is completed.
    """
    with connect(superuser, autocommit=True) as connection:
        roles = {
            row[0] for row in connection.execute("select rolname from pg_roles where rolconfig is not null")
        }
        if READER not in roles:
            with connection.transaction():
                _create_role(connection, OWNER, passwords.owner)
                _create_role(connection, READER, passwords.reader)
                connection.execute("alter role lqo_reader set default_transaction_read_only = on")
        if not connection.execute("select 1 from pg_roles where rolname = 'lqo_alerts'").fetchone():
            with connection.transaction():
                connection.execute("create role lqo_alerts nologin")
                connection.execute("grant lqo_alerts to lqo_owner")
        databases = dict(connection.execute("select datname, datacl is not null from pg_database").fetchall())
        for name in (WAREHOUSE, DAGSTER):
            if name not in databases:
                statement = sql.SQL("create database {} owner {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(OWNER)))
        if not databases.get(DAGSTER):
            connection.execute("revoke all on database dagster from public")


def data_argument(data: Path) -> str:
    """How a program that runs in `data` is told of it."""
    return _OWN_FOLDER if Path(_OWN_FOLDER).exists() else str(data)


def short_temp_folder() -> str:
    """A temporary folder that any user can enter and that leaves room for a socket's name (107 bytes)."""
    usual = tempfile.gettempdir()
    candidates = ("/tmp", "/var/tmp", usual) if os.geteuid() == 0 else (usual, "/tmp", "/var/tmp")
    for folder in candidates:
        if len(os.fsencode(folder)) <= 60 and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise EmbeddedServerError("no temporary folder with a short path is writable (tried /tmp and /var/tmp)")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _create_role(connection: psycopg.Connection[TupleRow], name: str, password: str) -> None:
    statement = sql.SQL("create role {} login password {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))


def _initdb(starter: Starter, draft: Path, password: str) -> None:
    builder = Account(NOBODY_ID, NOBODY_ID) if starter.account else None
    with tempfile.TemporaryFile() as secret:  # it has no name, so a kill leaves nothing behind
        secret.write(password.encode())
        secret.seek(0)
        if builder:
            builder.own(draft)
            os.fchown(secret.fileno(), builder.uid, builder.gid)
        run = subprocess.run(
            _initdb_command(starter, draft, secret.fileno()),
            cwd=draft,
            capture_output=True,
            text=True,
            check=False,
            # With the lock, an initdb that outlives a killed starter is waited for by the next one.
            pass_fds=[secret.fileno(), starter.server_lock],
            **(builder.identity if builder else Identity()),
        )
    if run.returncode:
        raise EmbeddedServerError(f"cannot make a cluster in {draft.parent}: {_reason(run.stderr)}")


def _initdb_command(starter: Starter, draft: Path, password_descriptor: int) -> list[str]:
    has_builtin_locales = int(starter.binaries.major) >= 17
    return [
        starter.binaries.program("initdb"),
        f"--pgdata={data_argument(draft)}",
        f"--username={SUPERUSER}",
        f"--pwfile=/dev/fd/{password_descriptor}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        # The same sort order on every machine; servers before 17 have the C library's only.
        *(["--locale-provider=builtin"] if has_builtin_locales else []),
        "--locale=C.UTF-8",
        *(["--no-sync"] if starter.is_throwaway else []),
    ]


def _reason(complaints: str) -> str:
    """The line that tells what went wrong; what follows it tells what was tidied."""
    lines = complaints.splitlines() or ["initdb gave no reason"]
    telling = [line for line in lines if re.search(r"FATAL|PANIC|error|could not", line)]
    return (telling or lines)[0].split("] ", 1)[-1].strip()
