"""dbt as the tests run it: a warm process of its own, a target folder of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from ingest.database.url import DatabaseUrl
from orchestration.dbt import PARTIAL_PARSE

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = REPOSITORY / "dbt_project"
WORKER = Path(__file__).with_name("worker.py")

Windows = list[list[str]] | str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did: its nodes by name with their status, and every message."""

    success: bool
    nodes: dict[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Dbt:
    """A warm dbt; commands run one after another against whatever database they are given."""

    process: subprocess.Popen[str]
    scratch: Path
    parsed: Path

    def start(self, *arguments: str, url: DatabaseUrl, windows: Windows = None) -> None:
        """Send a command without waiting for it."""
        request = {
            "arguments": [*arguments, *self.folders()],
            "environment": environment(url, windows=windows),
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def finish(self) -> Outcome:
        """Wait for the command that was started."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.scratch / "stderr").read_text()[-4000:]
        answer = json.loads(line)
        text = "\n".join([*answer["messages"], answer["problem"] or ""])
        return Outcome(success=answer["success"], nodes=answer["nodes"], text=text)

    def __call__(self, *arguments: str, url: DatabaseUrl, windows: Windows = None) -> Outcome:
        self.start(*arguments, url=url, windows=windows)
        return self.finish()

    def build(self, url: DatabaseUrl, *, windows: Windows, selector: str = "refresh") -> Outcome:
        """Run a selector and insist that it succeeds."""
        command = "build" if selector == "day" else "run"
        outcome = self(command, "--selector", selector, url=url, windows=windows)
        assert outcome.success, outcome.text
        return outcome

    def folders(self) -> list[str]:
        return folders(self.scratch)


def folders(scratch: Path) -> list[str]:
    """The flags that keep every file dbt writes out of the project."""
    places = {
        "--project-dir": PROJECT,
        "--profiles-dir": PROJECT,
        "--target-path": scratch / "target",
        "--log-path": scratch / "logs",
    }
    return [str(part) for pair in places.items() for part in pair]


def environment(url: DatabaseUrl, *, windows: Windows = None) -> dict[str, str]:
    """What the project's profile and windows are read from."""
    parts = url.parts()
    return {
        "LQO_DBT_HOST": parts["host"],
        "LQO_DBT_PORT": str(parts["port"]),
        "LQO_DBT_USER": parts["user"],
        "LQO_DBT_PASSWORD": parts["password"],
        "LQO_DBT_DBNAME": parts["dbname"],
        "LQO_DBT_WINDOWS": "" if windows is None else windows if windows == "all" else json.dumps(windows),
        "DO_NOT_TRACK": "1",
    }


@contextmanager
def running_dbt(scratch: Path, *, parsed: Path | None = None) -> Iterator[Dbt]:
    """A warm dbt process that is gone when the block ends.

    `parsed` is the target folder of `dbt parse`; without it the first command parses.
    """
    parsed = parsed or scratch / "target"
    scratch.mkdir(parents=True, exist_ok=True)
    with (scratch / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, str(WORKER), str(parsed / PARTIAL_PARSE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=scratch,
            env={**os.environ, "DO_NOT_TRACK": "1"},
        )
        try:
            yield Dbt(process, scratch, parsed)
        finally:
            process.communicate()


def days(first: date, *, count: int = 1) -> list[list[str]]:
    """`count` whole UTC days as one window."""
    return [[f"{first}T00:00:00Z", f"{first + timedelta(days=count)}T00:00:00Z"]]


def hours(day: date, first: int, last: int) -> list[list[str]]:
    """The hours `first` up to, not including, `last` of a day as one window."""
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    return [[(midnight + timedelta(hours=hour)).isoformat() for hour in (first, last)]]
