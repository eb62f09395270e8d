"""Memory of a judging run from the warehouse, with ten thousand and with a million calls pending.

    LQO_BENCH_DATABASE_URL=postgresql://… python -m tests.benchmarks.bench_pending_judgements [--most 1000000]

Two days of calls are put in by SQL, one small and one large, all selected by the policy. For each a fresh
process does what the asset `evaluation/judgements` does: selects, counts, reads in pages, asks a mock about
as many as the day's budget allows, and writes `skipped_budget` for all others. Told are the process's peak
memory and its time. Makes a database on that server (the embedded one without the variable) and drops it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl, parse_url
from orchestration.judging.judging import judge_window
from orchestration.windows import day_window
from tests.benchmarks.bench_concurrent_windows import database
from tests.benchmarks.bench_judge import highest_memory, mock
from tests.orchestration.judging.setting import judge, policy
from tests.orchestration.seeding import add_calls

DAYS = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
FEW = 10_000
ASKED = 2_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: its peak memory, its time, and what it has written by outcome."""

    kilobytes: int
    seconds: float
    outcomes: dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--run", nargs=2, metavar=("DATABASE_URL", "DAY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        url, day = given.run
        run(parse_url(url), day=datetime.fromisoformat(day))
        return
    with (
        tempfile.TemporaryDirectory(prefix="lqo-bench-") as scratch,
        database(Path(scratch)) as url,
        mock(latency_s=0) as endpoint,
    ):
        sizes: dict[datetime, int] = dict(zip(DAYS, (FEW, given.most), strict=True))
        fill(url, sizes, endpoint=endpoint)
        for number, (day, n_calls) in enumerate(sizes.items(), start=1):
            found = measure(url, day=day, most_asked=number * ASKED)
            outcomes = ", ".join(f"{n:,} {name}" for name, n in sorted(found.outcomes.items()))
            print(
                f"{n_calls:,} pending: peak memory {found.kilobytes / 1024:.1f} MB, {found.seconds:.1f} s"
                f" ({outcomes})",
                flush=True,
            )


def fill(url: DatabaseUrl, sizes: dict[datetime, int], *, endpoint: str) -> None:
    """Calls spread over each day, and a judge that is to be asked about all of them."""
    with connect(url) as connection:
        for day, n_calls in sizes.items():
            spacing = timedelta(milliseconds=86_000_000 // n_calls)
            with connection.transaction():
                add_calls(connection, n_calls, start=day, spacing=spacing, seed=str(n_calls))
        policy(connection, on_failure=False)
        judge(connection, endpoint, concurrency=32)
        connection.commit()
        connection.autocommit = True
        connection.execute("analyze")


def measure(url: DatabaseUrl, *, day: datetime, most_asked: int) -> Measured:
    """A run in a process of its own; the budget of the day of asking is `most_asked` in all."""
    with connect(url) as connection:
        policy(connection, on_failure=False, max_calls_per_day=most_asked)
    command = [sys.executable, "-m", "tests.benchmarks.bench_pending_judgements", "--run"]
    done = subprocess.run([*command, url.libpq(), day.isoformat()], check=True, capture_output=True)
    return Measured(**json.loads(done.stdout))


def run(url: DatabaseUrl, *, day: datetime) -> None:
    """Judge the day and print what it took, as JSON."""
    began = time.perf_counter()
    with connect(url) as connection:
        (done,) = judge_window(connection, day_window(day.date()))
    seconds = time.perf_counter() - began
    assert done.problem is None, done.problem
    told = {"kilobytes": highest_memory(), "seconds": seconds, "outcomes": done.written.outcomes}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
