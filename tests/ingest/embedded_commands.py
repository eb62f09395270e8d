"""Real commands that use an embedded server, for tests that kill them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import pytest

from ingest.database.connect import connect
from ingest.database.embedded import EmbeddedServer
from ingest.database.url import DatabaseUrl, parse_url

IS_ROOT = os.geteuid() == 0
REPOSITORY = Path(__file__).parents[2]
StartServer = Callable[..., EmbeddedServer]
_PACKAGES = Path(psycopg.__file__).parents[1]
_USE = """
import json, sys
from pathlib import Path
from ingest.database.embedded import start_embedded
server = start_embedded(Path(sys.argv[1]))
told = {"url": server.superuser_url.libpq(), "pid": server.pid, "run": str(server.place.run.readlink())}
print(json.dumps(told), flush=True)
sys.stdin.read()
server.stop()
"""


class Command:
    """Another process that uses the server of a folder until told to leave, or killed."""

    def __init__(
        self, folder: Path, *, environ: Mapping[str, str] | None = None, uid: int | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [interpreter_for(uid), "-c", _USE, str(folder)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{_PACKAGES}", **(environ or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
        self._told: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> Self:
        """Block until the command has its server; fails with what the command wrote if it ended."""
        assert self._process.stdout and self._process.stderr
        line = self._process.stdout.readline()
        if not line:
            _, complaint = self._process.communicate()
            raise AssertionError(complaint)
        self._told = json.loads(line)
        return self

    @property
    def server_pid(self) -> int:
        return int(self._told["pid"])

    @property
    def run_folder(self) -> Path:
        return Path(self._told["run"])

    def ask(self, query: str) -> object:
        """The first value of a query, asked over a new connection from here."""
        with connect(parse_url(self._told["url"]), autocommit=True) as connection:
            cursor = connection.execute(query)
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def leave(self) -> None:
        """End the command as it would end by itself."""
        _, complaint = self._process.communicate()
        assert self._process.returncode == 0, complaint

    def kill(self) -> None:
        """kill -9, and nothing else."""
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


def interpreter_for(uid: int | None) -> str:
    """A Python of our version that the user can run; skips where ours lies under a closed folder."""
    if uid is None:
        return sys.executable
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            subprocess.run([path, "-c", ""], user=uid, group=uid, extra_groups=[], check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return path
    pytest.skip(f"no Python {version} here that an ordinary user can run")


def keeper_of(server_pid: int) -> int:
    """The parent of the server."""
    stat = Path(f"/proc/{server_pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def is_running(pid: int) -> bool:
    """Whether the process lives (one that nobody has reaped does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def eventually(fact: Callable[[], bool], *, seconds: float = 30) -> bool:
    """Poll until the fact holds; whether it did in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ask(url: DatabaseUrl, query: str) -> object:
    """The first column of the first row."""
    with connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None
