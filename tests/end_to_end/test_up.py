import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from ingest.database.connect import connect
from ingest.database.embedded import ensure_database
from ingest.settings import Settings, load_settings

pytestmark = pytest.mark.xdist_group("stack")

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
    # Nobody there, and told so at once, whatever this machine makes of names it cannot resolve.
    nowhere = ["--upstream", "http://127.0.0.1:9"]
    with log.open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "orchestration", "up", *ports, *nowhere],
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


def children(pid: int) -> list[Path]:
    numbers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path("/proc") / number for number in numbers]


def wait_for(is_true: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_every_url_answers_and_nothing_outlives_a_kill(tmp_path: Path, parsed_project: Path) -> None:
    # A home of its own: a run killed in the demo's would keep the next one waiting until monitoring finds it.
    home = tmp_path / "home"
    shutil.copytree(parsed_project, Settings(home=home).dbt_target)
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
def test_one_interrupt_stops_the_whole_stack_and_leaves_no_call_behind(
    tmp_path: Path, parsed_project: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(parsed_project, Settings(home=home).dbt_target)
    with stack(home, tmp_path / "up.log") as (up, urls):
        # Its restart takes a second, in which a call ends and all is told to stop.
        (loader,) = (entry for entry in children(up.pid) if b"loader" in (entry / "cmdline").read_bytes())
        os.kill(int(loader.name), signal.SIGKILL)
        request = Request(
            f"{urls['proxy']}/chat/completions",
            data=b'{"model":"gpt-4o","messages":[]}',
            headers={"x-lqo-user": "the last one"},
        )
        with pytest.raises(HTTPError):
            urlopen(request, timeout=20)
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=SECONDS) == 0
        assert not processes_of(home)
    with ensure_database(load_settings({"LQO_HOME": str(home)})) as url, connect(url) as connection:
        query = "select count(*) from raw.llm_calls where user_id = 'the last one'"
        assert connection.execute(query).fetchall() == [(1,)]
