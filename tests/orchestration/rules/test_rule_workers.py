"""Shares of a frame judged by several processes: the same verdicts, whatever happens to a process."""

import os
import select
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import zstandard

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from evaluators.rules.prepare import INPUT_SCHEMA
from evaluators.rules.written.definition import read_definition
from evaluators.rules.written.rule import written_rule
from orchestration.rules.rule_runs import judge
from orchestration.rules.rule_workers import RuleWorkers
from tests.orchestration.rules.fake_rules import Steered, rule

REPOSITORY = Path(__file__).resolve().parents[3]
STARTING_SECONDS = 60
ANSWERS = ("fine", "", "I'm sorry, but I can't help with that.", "jane@acme.co 한국어 🙂", "loop it " * 200)


def calls(n: int) -> pl.DataFrame:
    request = zstandard.compress(b'{"messages":[{"role":"user","content":"hi"}]}')
    rows = [
        {
            "call_id": str(number),
            "started_at": datetime(2026, 1, 2, tzinfo=UTC),
            "status": "ok",
            "body_state": "full",
            "input_text": f"question {number}",
            "output_text": ANSWERS[number % len(ANSWERS)],
            "request": request,
        }
        for number in range(n)
    ]
    return pl.DataFrame(rows, schema=INPUT_SCHEMA)


def test_shares_of_two_workers_come_back_as_one_process_judges_them() -> None:
    frame = calls(101)
    with RuleWorkers(n_workers=2, least_rows=1) as workers:
        assert len(workers.start(wait_seconds=STARTING_SECONDS)) == 2

        shared = [workers.judge(frame.head(n), rules=RULES) for n in (101, 2, 1)]
        some = workers.judge(frame, rules=RULES[:3])

    assert [each.rows() for each in shared] == [judge(frame.head(n), rules=RULES).rows() for n in (101, 2, 1)]
    assert some.rows() == judge(frame, rules=RULES[:3]).rows()
    assert {name for failed in shared[0]["failed"] for name in failed} >= {"empty_answer", "refusal", "pii"}


def test_a_written_rule_reaches_the_workers_by_its_definition() -> None:
    given = {
        "id": "asks",
        "version": "1.0.1",
        "expression": "contains(input, 'question 1') and length(output) > 3",
    }
    written = written_rule(read_definition(given))
    frame = calls(101)
    with RuleWorkers(n_workers=1, least_rows=1) as workers:
        assert workers.start(wait_seconds=STARTING_SECONDS)
        judged = [workers.judge(frame, rules=[*RULES[:2], written]) for _ in range(2)]
        # The share of the worker is its own work: this process is asked for half of the frame only.
        here = judge(frame.head(51), rules=[written])["failed"].list.len().sum()
    assert [each.rows() for each in judged] == [judge(frame, rules=[*RULES[:2], written]).rows()] * 2
    assert 0 < here < sum("asks" in failed for failed in judged[0]["failed"])


@pytest.mark.parametrize("is_dead", [True, False], ids=["while_giving", "while_taking"])
def test_a_worker_killed_before_its_share_costs_no_call_its_verdict(
    is_dead: bool, caplog: pytest.LogCaptureFixture
) -> None:
    frame = calls(50)
    with RuleWorkers(n_workers=1, least_rows=1) as workers:
        (worker,) = workers.start(wait_seconds=STARTING_SECONDS)
        # A stopped worker takes its share into the pipe and never answers; a dead one does not even take it.
        os.kill(worker.pid, signal.SIGKILL if is_dead else signal.SIGSTOP)
        if is_dead:
            os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        else:
            threading.Timer(0.2, os.kill, [worker.pid, signal.SIGKILL]).start()

        judged = [workers.judge(frame, rules=RULES).rows() for _ in range(2)]

    assert judged == [judge(frame, rules=RULES).rows()] * 2
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("n_calls", "rules"), [(9, RULES), (20, [*RULES, rule("stranger", Steered())])], ids=["few", "unknown"]
)
def test_a_small_frame_and_a_rule_outside_the_catalogue_start_no_process(
    n_calls: int, rules: list[Rule]
) -> None:
    with RuleWorkers(n_workers=1, least_rows=10) as workers:
        judged = workers.judge(calls(n_calls), rules=rules)
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()

    assert judged.height == n_calls
    assert not [pid for pid in children if "rule_workers" in Path(f"/proc/{pid}/cmdline").read_text()]


OWNER = f"""
from orchestration.rules.rule_workers import RuleWorkers
import select
import signal
with RuleWorkers(n_workers=1, least_rows=1) as workers:
    print(workers.start(wait_seconds={STARTING_SECONDS})[0].pid, flush=True)
    signal.pause()
"""


def test_no_worker_outlives_a_killed_owner() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as owner:
        assert owner.stdout
        worker = int(owner.stdout.readline())
        handle = os.pidfd_open(worker)
        owner.kill()

    # A pidfd becomes readable when its process ends.
    ended, _, _ = select.select([handle], [], [], 30)
    os.close(handle)
    assert ended
