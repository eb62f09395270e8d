"""Models and a judge of known manners behind one simulated endpoint, and `lqo eval` run against it."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ingest.database.url import DatabaseUrl
from orchestration.cli import main
from tests.judge_endpoint import REASON, JudgeEndpoint, Reply

JUDGE = "judge-9"
_FENCE = re.compile(r"([0-9a-f]{24})\s*$")


Answer = Callable[[str], str | Reply]


@dataclass
class Stage:
    """What each model answers to its last user message (default: the model's name and the message), how a
    judge grades an answer, and which of two it finds better."""

    models: dict[str, Callable[[str], str | Reply]] = field(
        default_factory=dict[str, Callable[[str], str | Reply]]
    )
    grade: Callable[[dict[str, str]], object] = lambda pieces: 4
    better: Callable[[str, str], object] = lambda first, second: "tie"

    def answer(self, body: dict[str, Any]) -> Reply:
        if not body["model"].startswith("judge"):
            said = body["messages"][-1]["content"]
            answer = self.models.get(body["model"], lambda text: f"{body['model']} says {text}")(said)
            return answer if isinstance(answer, Reply) else Reply(content=answer)
        shown = pieces(body)
        if "the first answer" in shown:
            return _verdict("winner", self.better(shown["the first answer"], shown["the second answer"]))
        return _verdict("score", self.grade(shown))


def _verdict(name: str, value: object) -> Reply:
    if isinstance(value, Reply):
        return value
    return Reply(content=json.dumps({"reason": REASON, name: value}))


def pieces(body: dict[str, Any]) -> dict[str, str]:
    """What a judge is shown, by the names on its fences."""
    found = _FENCE.search(body["messages"][0]["content"])
    assert found
    parts = re.split(rf"^=== {found[1]} (.*) ===$", body["messages"][1]["content"], flags=re.MULTILINE)
    return {name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def staged(stage: Stage, **fields: Any) -> JudgeEndpoint:
    return JudgeEndpoint(answer=stage.answer, **fields)


def asked_of(endpoint: JudgeEndpoint, model: str) -> list[str]:
    """The last messages that a model got."""
    return [each.body["messages"][-1]["content"] for each in endpoint.ledger if each.body["model"] == model]


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def questions(path: Path, n: int, **fields: Any) -> Path:
    """A dataset of n different prompts, ids `q0` …"""
    return write_rows(path, [{"id": f"q{at}", "prompt": f"Question {at}?", **fields} for at in range(n)])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orchestration", "eval", *arguments]


def environment(home: Path, url: DatabaseUrl, **extra: str) -> dict[str, str]:
    return {**os.environ, "LQO_HOME": str(home), "DATABASE_URL": url.libpq(), **extra}


@dataclass(frozen=True, slots=True)
class Done:
    """What `lqo eval` did."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Lqo:
    """`lqo eval` (or another verb) of one home and warehouse, with models and judge at one endpoint.

    `process` is a process of its own; the others run in this one, which is ten times as fast.
    """

    home: Path
    url: DatabaseUrl
    verb: str = "eval"

    def run(self, *arguments: str | Path, endpoint: JudgeEndpoint | None = None, **env: str) -> Done:
        """`lqo eval run … --json`; with an endpoint, models and judge are asked there."""
        return self("run", *arguments, *_at(endpoint), "--json", **env)

    def process(self, *arguments: str | Path, endpoint: JudgeEndpoint | None = None) -> Done:
        """The same as a person's shell would do it."""
        done = subprocess.run(
            command("run", *map(str, arguments), *_at(endpoint), "--json"),
            env=environment(self.home, self.url),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def __call__(self, *arguments: str | Path, **env: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        argv = ["lqo", self.verb, *map(str, arguments)]
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in environment(self.home, self.url, **env).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", argv)
            with pytest.raises(SystemExit) as left:
                main()
        return Done(int(left.value.code or 0), out.getvalue(), err.getvalue())


def _at(endpoint: JudgeEndpoint | None) -> list[str]:
    return [] if endpoint is None else ["--base-url", endpoint.url, "--judge", JUDGE]
