import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.supervisor import Part, PartFailedError, Supervisor

SLEEPER = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(600)"
STUBBORN = (
    "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(600)"
)
OWNER = """
import json, sys
from pathlib import Path
from orchestration.supervisor import Part, Supervisor
parts = [Part(name, argv, ready_url=url) for name, argv, url in json.loads(sys.argv[1])]
supervisor = Supervisor(parts, logs=Path(sys.argv[2]))
supervisor.heed_signals()
try:
    supervisor.start(on_ready=lambda part: None)
    supervisor.watch(on_restart=lambda part, code: None)
finally:
    supervisor.stop()
"""


def until(is_true: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.05)


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def own(tmp_path: Path, *, ready_url: str | None = None) -> tuple[subprocess.Popen[bytes], Path]:
    seen = tmp_path / "pids"
    parts = [(name, [sys.executable, "-c", SLEEPER, str(seen)], ready_url) for name in ("one", "two")]
    owner = subprocess.Popen([sys.executable, "-c", OWNER, json.dumps(parts), str(tmp_path / "logs")])
    until(lambda: len(pids(seen)) == 2)
    return owner, seen


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_no_part_outlives_an_owner_that_is_killed(tmp_path: Path) -> None:
    owner, seen = own(tmp_path)
    owner.kill()
    owner.wait()
    until(lambda: not any(is_running(pid) for pid in pids(seen)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("ready_url", [None, "http://127.0.0.1:9/"], ids=["watching", "starting"])
def test_a_signal_stops_every_part(number: signal.Signals, ready_url: str | None, tmp_path: Path) -> None:
    owner, seen = own(tmp_path, ready_url=ready_url)
    owner.send_signal(number)
    assert owner.wait(timeout=60) == 0
    assert not any(is_running(pid) for pid in pids(seen))


def test_a_part_that_falls_is_started_again(tmp_path: Path) -> None:
    owner, seen = own(tmp_path)
    os.kill(pids(seen)[0], signal.SIGKILL)
    until(lambda: len(pids(seen)) == 3)
    owner.terminate()
    owner.wait(timeout=60)
    assert not any(is_running(pid) for pid in pids(seen))


def test_a_part_that_will_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.supervisor.STOP_SECONDS", 0.5)
    seen = tmp_path / "pids"
    supervisor = Supervisor([Part("stubborn", [sys.executable, "-c", STUBBORN, str(seen)])], logs=tmp_path)
    supervisor.start(on_ready=lambda _: None)
    until(lambda: len(pids(seen)) == 1)
    supervisor.stop()
    assert not is_running(pids(seen)[0])


def test_a_part_that_does_not_come_up_is_named_with_its_last_words(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "raise SystemExit('the port is taken')"]
    supervisor = Supervisor([Part("web", argv, ready_url="http://127.0.0.1:9/")], logs=tmp_path)
    with pytest.raises(PartFailedError, match="web ended with status 1: the port is taken"):
        supervisor.start(on_ready=lambda _: None)
    supervisor.stop()
