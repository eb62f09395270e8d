"""`lqo sender` as a process: it and its receiver are killed, and every message arrives all the same."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.delivery.service import Worker
from tests.conftest import REPOSITORY
from tests.orchestration.delivery.messages import Taking, alert, lay
from tests.orchestration.delivery.receiver import Receiver

Connection = psycopg.Connection[TupleRow]

# As `lqo sender` does, but for a lease of two seconds: the test cannot wait for 45.
SENDER = """
import os, sys, threading
from ingest.database.url import parse_url
from orchestration.alerts.delivery.channel import Limits
from orchestration.alerts.delivery.channels import WebhookChannel
from orchestration.alerts.delivery.service import run_sender
channels = [WebhookChannel("desk", sys.argv[2], limits=Limits(lease_seconds=2))]
run_sender(parse_url(sys.argv[1]), stop=threading.Event(), environ=os.environ, build=lambda *_: channels)
"""
N = 40


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    found = Receiver(tmp_path / "notes", lose_every=18)
    found.start()
    yield found
    found.stop()


def sender(url: DatabaseUrl, receiver: Receiver, home: Path) -> "subprocess.Popen[bytes]":
    arguments = [sys.executable, "-c", SENDER, url.libpq(), receiver.url]
    return subprocess.Popen(arguments, cwd=REPOSITORY, env={**os.environ, "LQO_HOME": str(home)})


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def count(outbox: Connection, condition: str) -> int:
    with outbox.transaction():
        row = outbox.execute(f"select count(*) from alerting.outbox where {condition}".encode()).fetchone()
    return row[0] if row else 0


def test_every_message_arrives_though_receiver_and_sender_are_killed(
    outbox: Connection, outbox_url: DatabaseUrl, receiver: Receiver, tmp_path: Path
) -> None:
    lay(outbox, *(alert(n) for n in range(N)), channels=("desk",))
    process = sender(outbox_url, receiver, tmp_path)
    try:
        wait_until(lambda: len(receiver.notes()) >= 8)
        receiver.stop()
        wait_until(lambda: count(outbox, "last_error is not null") >= 1)
        receiver.start()
        wait_until(lambda: len(receiver.notes()) >= 16)
        process.kill()
        process.wait()
        process = sender(outbox_url, receiver, tmp_path)
        wait_until(lambda: count(outbox, "sent_at is not null") == N)
    finally:
        process.kill()
        process.wait()
    assert len({key for key, _, _ in receiver.notes()}) == N
    assert receiver.unmarked_repeats() == []
    n_lost = sum(outcome == "lost" for _, _, outcome in receiver.notes())
    # One more each for the answers that the kills of the receiver and of the sender cut off.
    assert receiver.n_repeats() <= n_lost + 2


def test_an_outcome_is_written_once_postgres_is_back(outbox: Connection, outbox_url: DatabaseUrl) -> None:
    lay(outbox, alert())
    stop = threading.Event()

    def cut_the_line() -> None:
        with connect(outbox_url) as other:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'lqo sender' and datname = current_database()"
            )

    channel = Taking(on_deliver=cut_the_line)
    thread = threading.Thread(target=Worker(channel, outbox_url, stop).run)
    thread.start()
    try:
        wait_until(lambda: count(outbox, "sent_at is not null") == 1)
    finally:
        stop.set()
        thread.join()
    assert len(channel.taken) == 1
    assert count(outbox, "is_repeat") == 0
