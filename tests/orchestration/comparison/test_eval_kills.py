"""A run that is killed, or run twice at once."""

import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from tests.judge_endpoint import JudgeEndpoint, judge_endpoint_in_thread
from tests.orchestration.comparison.playing import (
    JUDGE,
    Lqo,
    Stage,
    asked_of,
    command,
    environment,
    questions,
    staged,
)

CONCURRENCY = 4


def started(home: Path, url: DatabaseUrl, *arguments: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command("run", *map(str, arguments)),
        env=environment(home, url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_at(
    endpoint: JudgeEndpoint, number: int, *, model: str, process: "list[subprocess.Popen[str]]"
) -> None:
    """Kill the process when it asks `model` for the `number`-th time."""
    count = 0

    def on_request(body: dict[str, Any]) -> None:
        nonlocal count
        count += body["model"] == model
        if count == number and body["model"] == model:
            process[0].kill()

    endpoint.on_request = on_request


@pytest.mark.parametrize(("model", "number"), [("new", 13), (JUDGE, 9), (JUDGE, 50)])
def test_a_killed_run_goes_on_and_pays_next_to_nothing_twice(
    model: str, number: int, lqo: Lqo, tmp_path: Path, connection: psycopg.Connection[TupleRow]
) -> None:
    data = questions(tmp_path / "q.jsonl", 24)
    running: list[subprocess.Popen[str]] = []
    with judge_endpoint_in_thread(staged(Stage(), latency_s=0.01)) as endpoint:
        kill_at(endpoint, number, model=model, process=running)
        options = ("--model", "new", "--baseline", "old", "--pairwise", "--concurrency", str(CONCURRENCY))
        at = ("--base-url", endpoint.url, "--judge", JUDGE)
        running.append(started(lqo.home, lqo.url, data, *options, *at, "--json"))
        running[0].communicate(timeout=120)
        assert running[0].returncode == -9
        endpoint.on_request = lambda body: None
        done = lqo.process(data, *options, endpoint=endpoint)
        needed = 24 * (2 + 2 + 2)
        assert needed <= endpoint.paid <= needed + CONCURRENCY
    assert done.code == 0
    assert done.summary["measures"]["overall"]["n"] == 24
    assert done.summary["measures"]["win_rate"]["n"] == 24
    assert connection.execute("select count(*) from evaluation.eval_runs").fetchone() == (1,)


def test_two_of_the_same_run_at_once_are_refused(lqo: Lqo, tmp_path: Path) -> None:
    data = questions(tmp_path / "q.jsonl", 3)
    running: list[subprocess.Popen[str]] = []
    is_stopped = threading.Event()

    def stop(body: dict[str, Any]) -> None:
        if not is_stopped.is_set():
            running[0].send_signal(signal.SIGSTOP)
            is_stopped.set()

    with judge_endpoint_in_thread(staged(Stage(), on_request=stop)) as endpoint:
        at = ("--base-url", endpoint.url, "--judge", JUDGE)
        running.append(started(lqo.home, lqo.url, data, "--model", "new", *at))
        assert is_stopped.wait(60)
        try:
            second = lqo.run(data, "--model", "new", endpoint=endpoint)
            other = lqo.run(data, "--model", "other", endpoint=endpoint)
        finally:
            running[0].send_signal(signal.SIGCONT)
        running[0].communicate(timeout=120)
    assert (second.code, second.err) == (2, "lqo: the same run is under way in another process\n")
    assert (running[0].returncode, other.code) == (0, 0)
    assert len(asked_of(endpoint, "new")) == 3
