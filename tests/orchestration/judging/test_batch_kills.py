"""A process that is killed with -9 while it sends or collects: found again, and nothing paid twice."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from orchestration.judging import batches_submit
from tests.batch_provider import BatchProvider
from tests.conftest import REPOSITORY
from tests.orchestration.judging.batching import (
    USD_A_REQUEST,
    ask,
    batch_judge,
    batch_states,
    finish,
    make_older,
    open_work,
    set_prices,
    spent,
    tend,
)
from tests.orchestration.judging.setting import outcomes, policy
from tests.orchestration.seeding import add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
N_CALLS = 10


@pytest.fixture
def seeded(connection: Connection, provider: BatchProvider) -> Connection:
    """Ten calls and a judge that nobody has asked yet."""
    connection.autocommit = True
    with connection.transaction():
        add_calls(connection, N_CALLS)
    policy(connection)
    set_prices(connection)
    batch_judge(connection, provider)
    return connection


def start(module: str, url: DatabaseUrl, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.orchestration.judging.{module}", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": url.libpq()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_at(provider: BatchProvider, event: str, url: DatabaseUrl, *, fails: bool = False) -> None:
    """Run the sending process, and kill it at this event at the provider.

    With `fails` what it asked for then never comes about.
    """
    began: list[Callable[[], None]] = []
    is_known = threading.Event()

    def on_event(seen: str) -> None:
        if seen == event and is_known.wait(60) and began:
            began.pop()()
            if fails:
                raise ConnectionAbortedError("nothing of it was done")

    provider.on_event = on_event
    process = start("submitting", url)

    def kill() -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    began.append(kill)
    is_known.set()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    assert not began, "it was killed at the event"
    provider.on_event = lambda event: None


def assert_each_was_paid_once(connection: Connection, provider: BatchProvider) -> None:
    assert outcomes(connection) == {"scored": N_CALLS}
    assert len(provider.paid()) == len(set(provider.paid())) == N_CALLS
    assert spent(connection) == (N_CALLS, N_CALLS * USD_A_REQUEST)
    assert count(connection, "raw.llm_calls", where="purpose = 'judge'") == N_CALLS
    assert open_work(connection) == []


def test_killed_before_anything_reached_the_provider(
    seeded: Connection, provider: BatchProvider, warehouse: DatabaseUrl
) -> None:
    kill_at(provider, "upload_begins", warehouse, fails=True)
    assert batch_states(seeded) == ["prepared"]
    assert provider.files == {}
    finish(seeded)
    assert_each_was_paid_once(seeded, provider)
    assert len(provider.batches) == 1


def test_killed_between_the_file_and_our_commit_the_file_is_found_again(
    seeded: Connection, provider: BatchProvider, warehouse: DatabaseUrl
) -> None:
    kill_at(provider, "uploaded", warehouse)
    assert batch_states(seeded) == ["prepared"]
    assert len(provider.files) == 1
    tend(seeded)
    assert provider.times("POST", "/files") == 1, "the file that is there is used"
    finish(seeded)
    assert_each_was_paid_once(seeded, provider)


def test_killed_between_the_batch_and_our_commit_the_batch_is_found_again(
    seeded: Connection, provider: BatchProvider, warehouse: DatabaseUrl
) -> None:
    kill_at(provider, "batch_made", warehouse)
    assert batch_states(seeded) == ["uploaded"]
    assert len(provider.batches) == 1
    assert tend(seeded).done == {"found": 1}
    finish(seeded)
    assert provider.times("POST", "/batches") == 1
    assert_each_was_paid_once(seeded, provider)


def test_a_batch_that_is_listed_late_is_waited_for(
    seeded: Connection, provider: BatchProvider, warehouse: DatabaseUrl
) -> None:
    provider.is_listed_late = True
    kill_at(provider, "batch_made", warehouse)
    assert tend(seeded).done == {"waits": 1}
    assert tend(seeded).done == {"waits": 1}
    provider.is_listed_late = False
    assert tend(seeded).done == {"found": 1}
    finish(seeded)
    assert_each_was_paid_once(seeded, provider)


def test_a_batch_that_was_never_made_is_made_once_it_can_no_longer_appear(
    seeded: Connection, provider: BatchProvider, warehouse: DatabaseUrl
) -> None:
    kill_at(provider, "create_begins", warehouse, fails=True)
    assert batch_states(seeded) == ["uploaded"]
    assert provider.batches == {}
    assert tend(seeded).done == {"waits": 1}
    make_older(seeded, batches_submit.SETTLES + timedelta(seconds=1))
    assert tend(seeded).done == {"submitted": 1}
    finish(seeded)
    assert_each_was_paid_once(seeded, provider)
    assert provider.times("POST", "/files") == 1


def test_a_killed_run_does_not_keep_the_next_one_from_asking_the_rest(
    seeded: Connection, provider: BatchProvider, warehouse: DatabaseUrl
) -> None:
    kill_at(provider, "batch_made", warehouse)
    run = ask(seeded)
    assert (run.n_pending, run.batches.n_requests) == (0, 0), "all ten are asked about already"
    finish(seeded)
    assert_each_was_paid_once(seeded, provider)


def test_an_answer_that_never_came_is_no_reason_to_ask_again(
    seeded: Connection, provider: BatchProvider
) -> None:
    def lose(event: str) -> None:
        if event == "batch_made":
            provider.on_event = lambda event: None
            raise ConnectionAbortedError("the answer is lost")

    provider.on_event = lose
    run = ask(seeded)
    assert run.batches.sent == {"waits": 1}
    assert len(provider.batches) == 1
    finish(seeded)
    assert provider.times("POST", "/batches") == 1
    assert_each_was_paid_once(seeded, provider)


def test_of_two_batches_with_our_mark_one_is_kept_and_the_other_cancelled(
    seeded: Connection, provider: BatchProvider, warehouse: DatabaseUrl
) -> None:
    kill_at(provider, "batch_made", warehouse)
    (made,) = provider.batches.values()
    given = {
        name: made.document[name] for name in ("endpoint", "completion_window", "input_file_id", "metadata")
    }
    provider.add_batch(given)
    provider.is_held = True
    tend(seeded)
    first, second = provider.batches.values()
    assert (first.document["status"], second.document["status"]) == ("validating", "cancelling")
    provider.is_held = False
    finish(seeded)
    assert_each_was_paid_once(seeded, provider)


def test_batches_of_others_are_not_ours(
    seeded: Connection, provider: BatchProvider, warehouse: DatabaseUrl
) -> None:
    kill_at(provider, "create_begins", warehouse, fails=True)
    (file,) = provider.files.values()
    for metadata in (None, {}, {"lqo_batch": "another"}, {"team": "x"}):
        provider.add_batch(
            {
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                "input_file_id": file.id,
                "metadata": metadata,
            }
        )
    assert tend(seeded).done == {"waits": 1}


@pytest.mark.parametrize("deadly", [1, 3])
def test_killed_while_collecting_each_answer_is_kept_once(
    seeded: Connection, provider: BatchProvider, warehouse: DatabaseUrl, deadly: int
) -> None:
    ask(seeded)
    provider.finish()
    process = start("collecting", warehouse, str(deadly))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    kept = count(seeded, "evaluation.judgements")
    assert kept == 3 * (deadly - 1), "what was committed before is kept, what was not is not half there"
    sums = rows(seeded, "select count(*) from evaluation.judge_requests where state = 'answered'")
    assert sums == [(kept,)]
    finish(seeded)
    assert_each_was_paid_once(seeded, provider)
