"""Processes of a benchmark: each on its core, its CPU time and memory read from outside, none left behind."""

import os
import platform
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[3]
PYTHON = sys.executable
PROXY_CORE, LOAD_CORE = 0, 1
_CORES = frozenset(os.sched_getaffinity(0))


@dataclass(slots=True)
class Running:
    """A started process. `url` is the one it said, or the one it was waited for at."""

    url: str
    process: "subprocess.Popen[bytes]"

    def cpu_seconds(self) -> float:
        """User and system time of the process and its children so far."""
        return sum(sum(each.cpu_times()[:2]) for each in self._family())

    def rss_bytes(self) -> int:
        return sum(each.memory_info().rss for each in self._family())

    def _family(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def stop(self, how: signal.Signals = signal.SIGTERM, *, seconds: float = 60.0) -> int:
        """End it, with its children; its exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
        if self.process.stdout is not None:
            self.process.stdout.close()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()


def start(
    command: Sequence[str],
    *,
    core: int | None,
    env: Mapping[str, str] | None = None,
    url: str | None = None,
    log: Path | None = None,
    nice: int = 0,
    cwd: Path = REPOSITORY,
    seconds: float = 60.0,
) -> Running:
    """Start a process on a core (None: any) and wait until it serves.

    Without `url` it is expected to print its own as its first line; with one, to listen there. Raises
    RuntimeError when it ends or says nothing for `seconds`.
    """

    with (log or Path(os.devnull)).open("ab") as complaints:
        process = subprocess.Popen(
            [*_prepared(core=core, nice=nice), *command],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=complaints if url else subprocess.PIPE,
            stderr=complaints,
            process_group=0,
        )
    running = Running(url or "", process)
    try:
        running.url = url or _said(process, seconds=seconds)
        _wait_for(running.url, process, seconds=seconds)
    except BaseException:
        running.stop(signal.SIGKILL)
        raise
    return running


@contextmanager
def serving(
    command: Sequence[str],
    *,
    core: int | None,
    env: Mapping[str, str] | None = None,
    url: str | None = None,
    log: Path | None = None,
) -> Iterator[Running]:
    """`start`, and stopped at the end."""
    running = start(command, core=core, env=env, url=url, log=log)
    try:
        yield running
    finally:
        running.stop()


def module(name: str, *arguments: object) -> list[str]:
    """The command that runs a module of this folder."""
    return [PYTHON, "-m", f"tests.benchmarks.proxy.{name}", *map(str, arguments)]


def lqo(*arguments: object) -> list[str]:
    """The command that runs `lqo`."""
    return [PYTHON, "-m", "orchestration", *map(str, arguments)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def on_load_core() -> None:
    """Keep this process to the core of the load, where there are two."""
    if {PROXY_CORE, LOAD_CORE} <= _CORES:
        os.sched_setaffinity(0, {LOAD_CORE})


def on_any_core() -> None:
    """Undo `on_load_core`."""
    os.sched_setaffinity(0, _CORES)


def machine() -> str:
    """What it ran on and when, in a line."""
    names = (line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {next(names, platform.machine())}, "
        f"{len(_CORES)} of {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, uvicorn {version('uvicorn')}, aiohttp {version('aiohttp')}, "
        f"load {os.getloadavg()[0]:.1f} before"
    )


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def _prepared(*, core: int | None, nice: int) -> list[str]:
    """What runs first in the process that becomes the command: so all its threads are kept to the core."""
    if core is None and not nice:
        return []
    core = core if core in _CORES else None
    program = "import os, sys; core, nice = map(int, sys.argv[1:3]); os.nice(nice)"
    program += "; core < 0 or os.sched_setaffinity(0, {core}); os.execvp(sys.argv[3], sys.argv[3:])"
    return [PYTHON, "-I", "-S", "-c", program, str(-1 if core is None else core), str(nice)]


def _said(process: "subprocess.Popen[bytes]", *, seconds: float) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    line = process.stdout.readline().decode().strip() if ready else ""
    if not line.startswith("http"):
        raise RuntimeError(f"{process.args} said {line!r} instead of a URL")
    return line


def _wait_for(url: str, process: "subprocess.Popen[bytes]", *, seconds: float) -> None:
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args} does not listen at {url}")
