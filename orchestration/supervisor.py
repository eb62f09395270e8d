"""Runs the parts of `lqo up` as child processes: starts in order, restarts what falls, stops everything."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

STOP_SECONDS = 20.0
READY_SECONDS = 90.0
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One process; `ready_url` answers below 500 when it serves, `url` is what a person opens."""

    name: str
    argv: Sequence[str]
    url: str | None = None
    ready_url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])


class PartFailedError(RuntimeError):
    """A part did not come up; the message names its log."""


class Supervisor:
    """Owns the parts' processes; each logs to `<logs>/<name>.log`.

    Every child gets SIGTERM from the kernel when this process dies, whatever kills it (Linux).
    """

    def __init__(self, parts: Sequence[Part], *, logs: Path) -> None:
        self._parts = parts
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._pause: dict[str, float] = {}
        self._stopping = False

    def heed_signals(self) -> None:
        """From here on SIGINT and SIGTERM end `start` and `watch`, and not this process."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)

    def start(self, *, on_ready: Callable[[Part], None]) -> None:
        """Start every part, then wait until each answers. Raises PartFailedError."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for part in self._parts:
            self._spawn(part)
        for part in self._parts:
            self._await_ready(part)
            if self._stopping:
                return
            on_ready(part)

    def watch(self, *, on_restart: Callable[[Part, int], None]) -> None:
        """Block until SIGINT or SIGTERM; a part that ends meanwhile is started again, ever more slowly."""
        self.heed_signals()
        due: dict[str, float] = {}
        while not self._stopping:
            for part in self._parts:
                code = self._running[part.name].poll()
                if code is None:
                    continue
                if part.name not in due:
                    pause = self._pause.get(part.name, FIRST_PAUSE)
                    self._pause[part.name] = min(LONGEST_PAUSE, pause * 2)
                    due[part.name] = time.monotonic() + pause
                    on_restart(part, code)
                elif time.monotonic() >= due[part.name]:
                    del due[part.name]
                    self._spawn(part)
            time.sleep(0.2)

    def stop(self) -> None:
        """SIGTERM to all, last started first; SIGKILL to the group of whoever is left after 20 s."""
        order = [self._running[part.name] for part in reversed(self._parts) if part.name in self._running]
        for process in order:
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in order:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()

    def _spawn(self, part: Part) -> None:
        with (self._logs / f"{part.name}.log").open("ab") as log:
            self._running[part.name] = subprocess.Popen(
                part.argv,
                env={**os.environ, **part.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # This process has one thread, which is when a preexec_fn is safe.
                preexec_fn=partial(die_with_parent, os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509
            )

    def _await_ready(self, part: Part) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while part.ready_url is not None and not self._stopping and not _answers(part.ready_url):
            code = self._running[part.name].poll()
            if code is not None:
                raise PartFailedError(f"{part.name} ended with status {code}: {self._last_line(part)}")
            if time.monotonic() > deadline:
                raise PartFailedError(f"{part.name} does not answer; see {self._logs / part.name}.log")
            time.sleep(0.2)

    def _last_line(self, part: Part) -> str:
        lines = (self._logs / f"{part.name}.log").read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def die_with_parent(parent: int) -> None:
    """For the child of `parent` that is about to be another program: let SIGTERM end it with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)  # it ended before it could be told


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return answer.status < 500
    except (URLError, OSError):
        return False


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return
