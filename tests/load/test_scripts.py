"""The load scripts against a real proxy: each for a few seconds, each without a failure."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.benchmarks.proxy.processes import PYTHON, REPOSITORY, lqo, module, serving

_SECONDS = "4s"


@pytest.mark.parametrize("script", ["plain", "streaming", "batch", "mixed"])
def test_a_load_script_finds_no_failure(script: str, tmp_path: Path) -> None:
    env = {"LQO_HOME": str(tmp_path / "home"), "LQO_AUTH": "passthrough"}
    with (
        serving(module("mock", "--pace", 0.005), core=None) as mock,
        serving(lqo("proxy", "--port", 0, "--upstream", mock.url), core=None, env=env) as proxy,
    ):
        entries = asyncio.run(_run(script, proxy.url))
    assert entries
    assert all(entry["num_requests"] > 0 and entry["num_failures"] == 0 for entry in entries)


async def _run(script: str, url: str) -> list[dict[str, int]]:
    """The entries of a headless run; raises where locust itself fails."""
    command = ["-m", "locust", "-f", str(REPOSITORY / "tests" / "load" / f"{script}.py"), "--headless"]
    command += ["--host", url, "-u", "4", "-r", "4", "-t", _SECONDS, "--json", "--skip-log"]
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        *command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "LQO_LOAD_BATCH": "20"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"locust ended with {process.returncode}: {complaints.decode()[-2000:]}")
    return json.loads(said)
