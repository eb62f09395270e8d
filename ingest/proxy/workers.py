"""A supervisor over several workers, each a process with a spool of its own, all on one port."""

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

from ingest.proxy.job import READY, Job, encode_job
from ingest.proxy.listening import announced, reserve, url_of
from ingest.proxy.serving import ProxyError

logger = logging.getLogger(__name__)

_START_SECONDS = 60.0
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_STEADY_SECONDS = 60.0
"""Who ran this long did not fall over its own start, and is started again after the first pause only."""
_LOOK_SECONDS = 0.1
_BEYOND_GRACE = 5.0


def run_workers(job: Job, *, announcement: Path, on_ready: Callable[[str], None]) -> None:
    """Run as many workers as `job.serving` says until SIGINT or SIGTERM; one that falls is started again.

    `on_ready` gets the URL once all of them listen. Raises ProxyError where one of them cannot start.
    """
    with contextlib.closing(reserve(job.host, job.port)) as reserved, _signals() as asked:
        job = replace(job, port=reserved.getsockname()[1])
        _empty(metrics_folder(job.settings.home))
        url = url_of(reserved, is_tls=job.serving.tls_cert is not None)
        workers = [_Worker(replace(job, worker=number)) for number in range(1, job.serving.workers + 1)]
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.wait_until_ready(asked)
            with announced(announcement, url=url):
                on_ready(url)
                while not asked.to_stop:
                    for worker in workers:
                        worker.look_after()
                    time.sleep(_LOOK_SECONDS)
        finally:
            _stop(
                workers, seconds=job.serving.drain_delay_seconds + job.serving.grace_seconds + _BEYOND_GRACE
            )


@dataclass(slots=True)
class _Asked:
    """What signals asked for."""

    to_stop: bool = False


class _Worker:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause = _FIRST_PAUSE
        self._due: float | None = None

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._due = None
        # A group of its own: Ctrl-C is the supervisor's to pass on, once.
        process = subprocess.Popen(
            [sys.executable, "-m", "ingest.proxy.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics_folder(self._job.settings.home))},
        )
        self._process = process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(encode_job(self._job))
            process.stdin.flush()

    def wait_until_ready(self, asked: _Asked) -> None:
        """Raises ProxyError with what the worker said where it cannot start."""
        line = b""
        while not line.endswith(b"\n") and not asked.to_stop:
            if time.monotonic() > self._started_at + _START_SECONDS:
                raise ProxyError(f"worker {self._job.worker} does not start")
            if (part := self._read()) == b"":
                break
            line += part or b""
        said = line.decode(errors="replace").strip()
        if not said.startswith(READY) and not asked.to_stop:
            raise ProxyError(said or f"worker {self._job.worker} did not start; its words are above")

    def look_after(self) -> None:
        """Start the worker again if it fell, ever later where it falls at once."""
        process, now = self._process, time.monotonic()
        if process is None or process.poll() is None:
            return
        if self._due is None:
            self._pause = _FIRST_PAUSE if now > self._started_at + _STEADY_SECONDS else self._pause
            self._due = now + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            logger.error("worker %d fell with status %d", self._job.worker, process.returncode)
            # What it counted stays; what it had open is over.
            mark_process_dead(process.pid, str(metrics_folder(self._job.settings.home)))
            self._close()
        elif now >= self._due:
            self.start()

    def terminate(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self, *, seconds: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(timeout=max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close()

    def _read(self) -> bytes | None:
        """What the worker says now; empty at its end, None while it is silent."""
        assert self._process is not None and self._process.stdout is not None
        handle = self._process.stdout.fileno()
        ready, _, _ = select.select([handle], [], [], _LOOK_SECONDS)
        return os.read(handle, 1 << 12) if ready else None

    def _close(self) -> None:
        assert self._process is not None
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def metrics_folder(home: Path) -> Path:
    """Where the workers of a home share their counters."""
    return home / "run" / "metrics"


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.db"):
        path.unlink(missing_ok=True)


def _stop(workers: list[_Worker], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.end(seconds=deadline - time.monotonic())


@contextlib.contextmanager
def _signals() -> Generator[_Asked]:
    asked = _Asked()

    def stop(number: int, frame: FrameType | None) -> None:
        asked.to_stop = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
