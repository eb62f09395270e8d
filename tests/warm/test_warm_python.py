"""A command by a warm Python is what it is by a cold one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm.python import REPOSITORY, warm_python

PYTHONS = [sys.executable, "warm"]


def command(python: str, *arguments: str) -> list[str]:
    return [warm_python("lqo") if python == "warm" else python, "-m", "tests.warm.probe", *arguments]


@pytest.mark.parametrize("python", PYTHONS)
def test_arguments_environment_folder_streams_and_exit_are_its_own(python: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "LQO_PROBE": "예 🙂"}
    done = subprocess.run(
        command(python, "7", "한국어", "-x"),
        env=environment,
        cwd=tmp_path,
        input=b"given",
        capture_output=True,
        check=False,
    )
    name, *told = json.loads(done.stdout)
    assert Path(name).name in ("probe.py", "tests.warm.probe")
    assert told == ["한국어", "-x", "예 🙂", str(tmp_path), "given"]
    assert (done.returncode, done.stderr) == (7, b"the end\n")


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_signal_that_ends_it_is_its_exit(python: str, name: str) -> None:
    done = subprocess.run(
        command(python, name), stdin=subprocess.DEVNULL, capture_output=True, cwd=REPOSITORY, check=False
    )
    assert (done.returncode, done.stderr) == (-getattr(signal, name), b"")


@pytest.mark.parametrize("python", PYTHONS)
def test_it_is_gone_when_who_waits_for_it_is_killed(python: str) -> None:
    with subprocess.Popen(
        command(python, "waits"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as started:
        assert started.stdout
        assert started.stdout.readline()
        started.kill()
        assert started.stdout.read() == b"", "the other end is closed: nobody holds it any more"
    assert started.returncode == -signal.SIGKILL
