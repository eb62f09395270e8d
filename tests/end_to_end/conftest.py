"""One demo, run twice in a home of its own; every test of this folder reads what it left.

Each module is of the xdist group `demo`, so that one worker runs it and the demo runs once.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingest.database.embedded import ensure_database
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings, load_settings

DAYS = "8"


@dataclass(frozen=True, slots=True)
class Demo:
    """What two runs of `lqo demo` printed and wrote."""

    settings: Settings
    url: DatabaseUrl
    first: dict[str, Any]
    second: dict[str, Any]
    page: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, parsed_project: Path) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("한국어 home")
    shutil.copytree(parsed_project, Settings(home=home).dbt_target)
    first, _ = run_demo(home, home / "first.json")
    second, page = run_demo(home, home / "second.json")
    settings = load_settings({"LQO_HOME": str(home)})
    with ensure_database(settings) as url:
        yield Demo(settings, url, first, second, page)


def run_demo(home: Path, summary: Path) -> tuple[dict[str, Any], str]:
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "orchestration", "demo", "--days", DAYS, "--json", str(summary)],
        env={**environment, "LQO_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(summary.read_text()), done.stdout
