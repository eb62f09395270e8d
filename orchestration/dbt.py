"""dbt as the warehouse runs it: where its project is, its environment, its manifest, one way to call it."""

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.sql import SQL

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.windows import Window, dbt_windows

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"
PARTIAL_PARSE = "partial_parse.msgpack"
# dbt's profile has an sslmode; the rest libpq itself takes from the environment.
TLS_VARIABLES = {
    "sslmode": "LQO_DBT_SSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
}
# Parsing reads the profile and connects to nothing.
NOWHERE = DatabaseUrl(user="nobody", host="127.0.0.1", dbname="nothing")


class DbtError(RuntimeError):
    """A dbt command failed; the message is its own error lines, joined to one."""


@dataclass(frozen=True, slots=True)
class DbtResult:
    """How many nodes a command ran, and how long it took in all (seconds)."""

    n_nodes: int
    seconds: float


def dbt_launcher(settings: Settings) -> Path:
    """An executable that is `dbt` with this home's parsed manifest; written if it is not there yet."""
    path = settings.dbt_target / "dbt"
    manifest = settings.dbt_target / PARTIAL_PARSE
    command = shlex.join([sys.executable, "-m", "orchestration.dbt_command", str(manifest)])
    script = f'#!/bin/sh\nexec {command} "$@"\n'
    if not path.exists() or path.read_text() != script:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"dbt.{uuid4().hex[:8]}")
        fresh.write_text(script)
        fresh.chmod(0o755)
        fresh.replace(path)
    return path


def dbt_environment(url: DatabaseUrl) -> dict[str, str]:
    """What dbt's profile reads, what libpq reads of the URL's TLS options, and telemetry off."""
    parts = url.parts()
    options = dict(url.options)
    tls = {variable: options[name] for name, variable in TLS_VARIABLES.items() if name in options}
    return {
        **tls,
        "LQO_DBT_HOST": parts["host"],
        "LQO_DBT_PORT": str(parts["port"]),
        "LQO_DBT_USER": parts["user"],
        "LQO_DBT_PASSWORD": parts["password"],
        "LQO_DBT_DBNAME": parts["dbname"] or parts["user"],
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def window_vars(windows: Sequence[Window]) -> str:
    """The `--vars` of a run over these windows."""
    return json.dumps({"windows": dbt_windows(list(windows))})


def project_hash() -> str:
    """SHA-256 over the project's files and dbt's version: what the manifest and the views depend on."""
    digest = sha256(version("dbt-core").encode())
    for path in sorted(_project_files()):
        digest.update(str(path.relative_to(PROJECT_DIR)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def manifest_path(settings: Settings) -> Path:
    """Where the manifest of this home is, whether or not it is there yet."""
    return settings.dbt_target / "manifest.json"


def ensure_manifest(settings: Settings, *, only_if_missing: bool = False) -> Path:
    """Parse the project unless the manifest is of exactly these files; return its path.

    The code location passes `only_if_missing`: a load must not hash or parse what `install`, `up`,
    `demo` and `backfill` have prepared. Raises DbtError.
    """
    path = manifest_path(settings)
    if only_if_missing and path.exists():
        return path
    with _locked(settings.dbt_target / "manifest.lock"):
        stamp, wanted = settings.dbt_target / "manifest.sha256", project_hash()
        if not path.exists() or not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            (settings.dbt_target / PARTIAL_PARSE).unlink(missing_ok=True)
            _call(["parse"], settings=settings, url=NOWHERE, target=settings.dbt_target)
            stamp.write_text(wanted)
    return path


def ensure_views(settings: Settings, url: DatabaseUrl) -> bool:
    """Build the views, and missing marts empty, where this database lacks this project's; True if it did.

    Views are built here and never in a refresh: rebuilding one drops its grants and what stands on it.
    The comment of schema `staging` says which project they are of.
    """
    wanted = f"dbt project {project_hash()[:16]}"
    with connect(url, autocommit=True, application_name="lqo dbt") as connection:
        # One deploy at a time; a session lock, because dbt has transactions of its own.
        connection.execute("select pg_advisory_lock(hashtextextended('lqo.dbt_deploy', 0))")
        if _deployed_stamp(connection) == wanted:
            return False
        ensure_manifest(settings)
        with _own_target(settings, "deploy") as target:
            arguments = ["run", "--selector", "deploy", "--vars", window_vars([])]
            _call(arguments, settings=settings, url=url, target=target)
        connection.execute(SQL("comment on schema staging is {}").format(wanted))
    return True


def run_dbt(
    settings: Settings, url: DatabaseUrl, windows: Sequence[Window], *, selector: str = "refresh"
) -> DbtResult:
    """`dbt run` of one selector over these windows (one command, one process); raises DbtError."""
    if not windows:
        return DbtResult(0, 0.0)
    ensure_manifest(settings, only_if_missing=True)
    ensure_views(settings, url)
    started = datetime.now(UTC)
    with _own_target(settings, selector) as target:
        arguments = ["run", "--selector", selector, "--vars", window_vars(windows)]
        _call(arguments, settings=settings, url=url, target=target)
        n_nodes = _n_nodes(target / "run_results.json")
    return DbtResult(n_nodes, (datetime.now(UTC) - started).total_seconds())


def _call(arguments: Sequence[str], *, settings: Settings, url: DatabaseUrl, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    places = ["--project-dir", PROJECT_DIR, "--profiles-dir", PROJECT_DIR]
    outputs = ["--target-path", target, "--log-path", target]
    command = [dbt_launcher(settings), "--quiet", "--no-use-colors", *arguments, *places, *outputs]
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **dbt_environment(url)},
        cwd=settings.home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DbtError(_complaint(arguments[0], done.stdout + done.stderr))


def _complaint(command: str, output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"dbt {command} failed: {' '.join(lines)[:2000] or 'it said nothing'}"


@contextmanager
def _own_target(settings: Settings, name: str) -> Iterator[Path]:
    """A target folder of one command: two commands in one folder overwrite each other's artifacts.

    It goes when the command succeeds and stays for a look when it fails (the tidy job takes it after
    14 days).
    """
    target = settings.dbt_target / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"
    target.mkdir(parents=True)
    yield target
    shutil.rmtree(target, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _project_files() -> Iterator[Path]:
    wanted = {".sql", ".yml", ".yaml", ".md", ".csv"}
    return (path for path in PROJECT_DIR.rglob("*") if path.suffix in wanted and "target" not in path.parts)


def _deployed_stamp(connection: psycopg.Connection) -> str | None:
    row = connection.execute(
        "select obj_description(to_regnamespace('staging')::oid, 'pg_namespace')"
    ).fetchone()
    return row[0] if row else None


def _n_nodes(path: Path) -> int:
    results: Mapping[str, list[object]] = json.loads(path.read_bytes())
    return len(results["results"])
