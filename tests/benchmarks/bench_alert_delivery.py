"""Alerts on their way out: 1,000 in a minute with the receiver and then the sender killed, and the bare rate.

    python -m tests.benchmarks.bench_alert_delivery                    # a minute and a half
    python -m tests.benchmarks.bench_alert_delivery --seconds 10       # the same in a hurry

A webhook without digests and rate limit, served by a process of its own that cuts every 100th line after it
has taken the message. Its first third done, the receiver is killed and comes back after three seconds; at
the second third the sender (`lqo sender`) is killed with kill -9, and started again. Printed: how many
messages arrived, how many twice and how many of those did not say so (the bar is none missing and none
unmarked), how long one took from its commit, and the rate at which a waiting thousand drains, beside a loop
of bare POSTs of the same bytes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.embedded import start_embedded
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl
from orchestration.alerts.delivery.channel import Parcel
from orchestration.alerts.delivery.http import post
from orchestration.alerts.delivery.webhook import webhook_body
from orchestration.alerts.message import AlertMessage
from tests.orchestration.delivery.messages import alert, lay
from tests.orchestration.delivery.receiver import Receiver

CHANNELS = """\
version: 1
channels:
  - {{name: desk, type: webhook, url: "{url}"}}
default: [desk]
"""
SENT = "select count(*) from alerting.outbox where sent_at is not null"
DELAYS = """
select
    percentile_cont(0.5) within group (order by seconds),
    percentile_cont(0.95) within group (order by seconds),
    max(seconds)
from (select extract(epoch from sent_at - created_at)::float8 as seconds from alerting.outbox) as delays
"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="lqo-bench-") as name:
        folder = Path(name)
        server = start_embedded(folder / "postgres", is_throwaway=True)
        try:
            migrate(server.url)
            _with_kills(server.url, folder, n=options.messages, seconds=options.seconds)
            _drain(server.url, folder, n=options.messages)
        finally:
            server.stop()


def _with_kills(url: DatabaseUrl, folder: Path, *, n: int, seconds: float) -> None:
    receiver = Receiver(folder / "notes", lose_every=100)
    receiver.start()
    sender = _sender(url, folder, receiver)
    laying = threading.Thread(target=_lay, args=(url,), kwargs={"n": n, "seconds": seconds})
    started = time.monotonic()
    laying.start()
    try:
        with connect(url, autocommit=True) as connection:
            _wait(connection, n // 3)
            receiver.stop()
            time.sleep(3)
            receiver.start()
            _wait(connection, 2 * n // 3)
            sender.kill()
            sender.wait()
            sender = _sender(url, folder, receiver)
            laying.join()
            _wait(connection, n)
            took = time.monotonic() - started
            delays = connection.execute(DELAYS).fetchone() or (0.0, 0.0, 0.0)
    finally:
        sender.kill()
        sender.wait()
        receiver.stop()
    notes = receiver.notes()
    n_lost = sum(outcome == "lost" for _, _, outcome in notes)
    print(f"laid {n} in {seconds:g} s; all sent after {took:.1f} s")
    print(f"arrived {len({key for key, _, _ in notes})} of {n}, in {len(notes)} messages")
    print(f"answers lost {n_lost}, and by the kills at most 2; came twice {receiver.n_repeats()}")
    print(f"repeats that did not say so {len(receiver.unmarked_repeats())}")
    print("seconds from commit to sent: median {:.2f}, p95 {:.2f}, longest {:.1f}".format(*delays))


def _drain(url: DatabaseUrl, folder: Path, *, n: int) -> None:
    """A waiting `n`, by the sender and by a loop of POSTs; both to a receiver that loses nothing."""
    receiver = Receiver(folder / "drained")
    receiver.start()
    try:
        with connect(url, autocommit=True) as connection:
            connection.execute("truncate alerting.outbox, alerting.events cascade")
        _lay(url, n=n, seconds=0)
        sender = _sender(url, folder, receiver)
        try:
            with connect(url, autocommit=True) as connection:
                _wait(connection, 1)
                started, first = time.monotonic(), _count(connection)
                _wait(connection, n)
                rate = (n - first) / (time.monotonic() - started)
        finally:
            sender.kill()
            sender.wait()
        bodies = [webhook_body(Parcel(str(one), (_message(one),))) for one in range(n)]
        started = time.monotonic()
        for number, body in enumerate(bodies):
            assert post(receiver.url, body=body, headers={"Idempotency-Key": str(number)}).is_ok
        bare = n / (time.monotonic() - started)
    finally:
        receiver.stop()
    print(f"a waiting {n}: {rate:.0f} a second; bare POSTs {bare:.0f} a second; ratio {rate / bare:.2f}")


def _lay(url: DatabaseUrl, *, n: int, seconds: float) -> None:
    with connect(url) as connection:
        started = time.monotonic()
        for number in range(n):
            lay(connection, _message(number), channels=("desk",))
            time.sleep(max(0.0, started + seconds * (number + 1) / n - time.monotonic()))


def _message(number: int) -> AlertMessage:
    return alert(number, happened_at=datetime.now(UTC))


def _sender(url: DatabaseUrl, folder: Path, receiver: Receiver) -> "subprocess.Popen[bytes]":
    (folder / "channels.yaml").write_text(CHANNELS.format(url=receiver.url))
    environ = {
        **os.environ,
        "DATABASE_URL": url.libpq(),
        "LQO_HOME": str(folder / "home"),
        "LQO_ALERTS": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration", "sender"], env=environ, stderr=subprocess.DEVNULL
    )


def _wait(connection: psycopg.Connection[TupleRow], n: int) -> None:
    deadline = time.monotonic() + 300
    while _count(connection) < n:
        if time.monotonic() > deadline:
            raise SystemExit(json.dumps({"sent": _count(connection), "of": n}))
        time.sleep(0.02)


def _count(connection: psycopg.Connection[TupleRow]) -> int:
    row = connection.execute(SENT).fetchone()
    return row[0] if row else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0, help="over which they are laid down")
    return parser.parse_args()


if __name__ == "__main__":
    main()
