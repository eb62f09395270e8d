"""Two refreshes and a backfill of the same day at once, again and again: equal to a single run, row for row.

    LQO_BENCH_DATABASE_URL=postgresql://… python -m tests.benchmarks.bench_concurrent_windows [--rounds 20]

Makes a database of its own on that server (the embedded one without the variable) and drops it. Exits 1 when
a mart differs in any round or a run fails.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from ingest.database.connect import connect
from ingest.database.embedded import start_embedded
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl, parse_url
from tests.conftest import create_database, drop_database
from tests.dbt_project.races import race, three_runners
from tests.dbt_project.running_dbt import days
from tests.dbt_project.seed import FIRST_DAY, LAST_DAY, MIDDLE_DAY, seed_calls, seed_rule_sets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=5000, help="calls on each of three days")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lqo-bench-") as scratch, database(Path(scratch)) as url:
        return bench(url, scratch=Path(scratch), rounds=options.rounds, calls=options.calls)


def bench(url: DatabaseUrl, *, scratch: Path, rounds: int, calls: int) -> int:
    with connect(url) as connection, three_runners(scratch) as runners:
        seed_rule_sets(connection)
        for day in (FIRST_DAY, MIDDLE_DAY, LAST_DAY):
            seed_calls(connection, day=day, calls=calls)
        runners[0].build(url, windows=[], selector="deploy")
        runners[0].build(url, windows=days(FIRST_DAY, count=3))
        bad = 0
        for number in range(rounds):
            started = time.perf_counter()
            outcome = race(connection, runners, url=url, day=MIDDLE_DAY, number=number)
            is_equal = not outcome.different and not outcome.complaints
            bad += not is_equal
            verdict = "equal" if is_equal else f"DIFFERENT {outcome.different} {outcome.complaints}"
            print(
                f"round {number + 1:>3}/{rounds}: {verdict} ({time.perf_counter() - started:.1f} s)",
                flush=True,
            )
    print(f"{rounds - bad} of {rounds} rounds equal to a single run, row for row, {calls} calls a day")
    return 1 if bad else 0


@contextmanager
def database(scratch: Path) -> Iterator[DatabaseUrl]:
    """A migrated database, gone afterwards."""
    given = os.environ.get("LQO_BENCH_DATABASE_URL")
    server = None if given else start_embedded(scratch / "postgres", is_throwaway=True)
    maintenance_url = parse_url(given) if given else server.superuser_url
    owner = maintenance_url if given else server.url
    url = owner.with_database(f"lqo_races_{uuid4().hex}")
    try:
        with connect(maintenance_url, autocommit=True) as maintenance:
            create_database(maintenance, url.dbname, owner=owner.user)
        try:
            migrate(url)
            yield url
        finally:
            with connect(maintenance_url, autocommit=True) as maintenance:
                drop_database(maintenance, url.dbname)
    finally:
        if server:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
