"""kill -9 in the middle of judging: what was paid for is kept, and is paid for once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from orchestration.judging.judging import judge_window
from tests.judge_endpoint import JudgeEndpoint, judge_endpoint_in_thread
from tests.orchestration.judging.setting import judge, outcomes, policy
from tests.orchestration.seeding import DAY, add_calls, count, rows

REPOSITORY = Path(__file__).resolve().parents[3]
N_CALLS = 120
CONCURRENCY = 8


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", [1, 37, 90])
def test_a_killed_run_has_paid_for_no_more_than_was_out(
    connection: psycopg.Connection[TupleRow], warehouse: DatabaseUrl, kill_after: int
) -> None:
    connection.autocommit = True
    with connection.transaction():
        add_calls(connection, N_CALLS)
    policy(connection)
    with judge_endpoint_in_thread(JudgeEndpoint(latency_s=0.02, holds_after=kill_after)) as endpoint:
        judge(connection, endpoint.url, concurrency=CONCURRENCY)
        killed = _judging_process(warehouse)
        _until(lambda: endpoint.paid >= kill_after, process=killed)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        endpoint.holds_after = None
        _until(lambda: endpoint.in_flight == 0)
        paid_before = endpoint.paid
        kept = count(connection, "evaluation.verdicts")
        assert kill_after <= paid_before < N_CALLS
        assert paid_before - CONCURRENCY <= kept <= paid_before
        assert outcomes(connection).get("scored", 0) == kept

        (run,) = judge_window(connection, DAY)

        assert (run.problem, run.written.n_paid) == (None, N_CALLS - kept)
        assert endpoint.paid <= N_CALLS + CONCURRENCY
        assert outcomes(connection) == {"scored": N_CALLS}
        landed = rows(
            connection,
            "select count(*), count(distinct content_hash) from raw.llm_calls where purpose = 'judge'",
        )
        assert landed == [(N_CALLS, N_CALLS)]
        spend = rows(connection, "select sum(n_calls) from evaluation.judge_spend where scope = 'day'")
        assert spend == [(N_CALLS,)]


@pytest.mark.slow
def test_two_runs_at_once_take_turns_and_pay_once(
    connection: psycopg.Connection[TupleRow], warehouse: DatabaseUrl
) -> None:
    connection.autocommit = True
    with connection.transaction():
        add_calls(connection, 40)
    policy(connection)
    with judge_endpoint_in_thread(JudgeEndpoint(latency_s=0.02)) as endpoint:
        judge(connection, endpoint.url, concurrency=CONCURRENCY)
        processes = [_judging_process(warehouse) for _ in range(2)]
        assert [process.wait(120) for process in processes] == [0, 0]

        assert (endpoint.paid, outcomes(connection)) == (40, {"scored": 40})
        assert endpoint.most_in_flight <= CONCURRENCY


def _judging_process(url: DatabaseUrl) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.orchestration.judging.killed_run", url.libpq()]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)


def _until(is_true: object, *, process: "subprocess.Popen[bytes] | None" = None) -> None:
    deadline = time.monotonic() + 120
    while not is_true():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about in time"
        assert process is None or process.poll() is None, "the process ended by itself"
        time.sleep(0.002)
