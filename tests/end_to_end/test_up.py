import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.xdist_group("demo")

SECONDS = 180


def processes_of(home: Path) -> list[str]:
    """The command lines of processes whose environment names this home."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"LQO_HOME={home}".encode() in environment and command:
            found.append(command)
    return found


@contextmanager
def stack(home: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """`lqo up` on free ports, once every part has answered; with the URLs that it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    ports = ["--proxy-port", "28080", "--dagster-port", "23000", "--api-port", "28180"]
    with log.open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "orchestration", "up", *ports],
            env={**environment, "LQO_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: "Ctrl-C" in log.read_text() or up.poll() is not None)
        assert up.poll() is None, log.read_text()
        lines = [line.split() for line in log.read_text().splitlines() if "http://" in line]
        yield up, {line[0]: line[-1] for line in lines}
    finally:
        if up.poll() is None:
            up.kill()
            up.wait()


def wait_for(is_true: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_every_url_answers_and_nothing_outlives_a_kill(demo: Any, tmp_path: Path) -> None:
    home = demo.settings.home
    with stack(home, tmp_path / "up.log") as (up, urls):
        assert set(urls) == {"proxy", "api", "dagster-webserver"}
        for url in (urls["api"], urls["dagster-webserver"], urls["proxy"].replace("/v1", "/healthz")):
            with urlopen(url, timeout=20) as answer:
                assert answer.status == 200
        assert len(processes_of(home)) > 5
        up.send_signal(signal.SIGKILL)
        up.wait()
        wait_for(lambda: not processes_of(home))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_interrupt_stops_the_whole_stack(demo: Any, tmp_path: Path) -> None:
    home = demo.settings.home
    with stack(home, tmp_path / "up.log") as (up, _):
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=60) == 0
        assert not processes_of(home)
