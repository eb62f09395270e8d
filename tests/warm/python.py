"""Executables that run `-m MODULE …` like Python and have it imported; one a kind and test process."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from tests.warm import client

REPOSITORY = Path(__file__).resolve().parents[2]
KINDS = {
    "lqo": ("orchestration.cli", "sqlalchemy", "ingest.database.embedded", "ingest.loader"),
    "dbt": ("dbt.cli.main", "dbt.contracts.graph.manifest", "dbt.task.build", "dbt.adapters.postgres"),
}
SECONDS = 120


@cache
def warm_python(kind: str) -> str:
    """The path of the executable; its server ends with this process. Without `fork` it is Python itself."""
    if sys.platform != "linux":
        return sys.executable
    folder = Path(tempfile.mkdtemp(prefix="lqo-warm-"))
    place = folder / "socket"
    # Tests look for processes by the home in their environment.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LQO_", "DATABASE_"))}
    reading, writing = os.pipe()
    # The writing end stays open, and in nobody else, until this process is gone.
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.warm.server", str(place), *KINDS[kind]],
            cwd=REPOSITORY,
            env=kept,
            stdin=reading,
            stdout=log,
            stderr=log,
        )
    os.close(reading)
    _await(place, server)
    command = shlex.join([sys.executable, "-I", "-S", client.__file__, str(place)])
    executable = folder / "python"
    executable.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    executable.chmod(0o755)
    _endings.append((writing, server, folder))
    return str(executable)


def stop_all() -> None:
    """End the servers of this process and remove their folders."""
    while _endings:
        writing, server, folder = _endings.pop()
        os.close(writing)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)
    warm_python.cache_clear()


_endings: list[tuple[int, "subprocess.Popen[bytes]", Path]] = []


def _await(place: Path, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + SECONDS
    while not place.exists():
        assert server.poll() is None, (place.parent / "log").read_text()
        assert time.monotonic() < deadline, "the warm Python is not ready"
        time.sleep(0.02)
