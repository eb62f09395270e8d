"""Servers that a test starts: on a free port, and waited for."""

import contextlib
import random
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

PORTS = range(24_000, 28_000)
"""Below those that kernels give out by themselves, so that nobody takes one before its server does."""


def free_port() -> int:
    """A port of this machine that nobody listens on, nor will."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def await_ready(address: str, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert running.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(address, timeout=10).close()
            return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.02)
