"""A light refresh of 1,000 new calls on a small and on a large warehouse, in turns; the ratio of the medians.

    LQO_BENCH_DATABASE_URL=postgresql://… python -m tests.benchmarks.bench_refresh [--full] [--runs N]

The new calls land in one hour of a day that already holds N calls, scored, charged and in the marts, after a
history of M calls. Default: N 20,000 and M 100,000 against 100,000 and 400,000; `--full`: 50,000 and 500,000
against 1,000,000 and 5,000,000 (takes long to fill). Bars: ratio at most 1.3, under 30 s. The refresh is the
real one: raw read, results, charges, `dbt run --selector refresh`.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.catalogue import RULES
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.cost.price_book import book_version, ensure_snapshots
from orchestration.dbt import ensure_manifest, run_dbt
from orchestration.refresh import light_refresh
from orchestration.rules.rule_sets import register_rule_set
from orchestration.windows import Window
from tests.benchmarks.bench_concurrent_windows import database
from tests.orchestration.seeding import add_calls

DAY = datetime(2026, 10, 20, tzinfo=UTC)
HISTORY_DAYS = 60
NEW_HOUR = DAY + timedelta(hours=14)
N_NEW = 1_000
SIZES = {False: ((20_000, 100_000), (100_000, 400_000)), True: ((50_000, 500_000), (1_000_000, 5_000_000))}

RESULTS: LiteralString = """
insert into evaluation.rule_results (started_at, call_id, rule_set_version, failed, unscored)
select started_at, call_id, %s, '{}', '{"json_schema": "not_applicable", "invalid_json": "not_applicable"}'
from raw.llm_calls
"""
CHARGES: LiteralString = """
insert into cost.charges (
    started_at, call_id, attempt, provider, model, price_version, input_uncached, cache_read, cache_write,
    cache_write_1h, input_audio, output_text, reasoning, output_audio, amount_usd
)
select started_at, call_id, 0, provider, requested_model, %s, 100, 0, 0, 0, 0, 50, 0, 0, 0.000045
from raw.llm_calls
"""


@dataclass
class Warehouse:
    """One filled warehouse and what its refreshes took (seconds, of which dbt)."""

    name: str
    url: DatabaseUrl
    settings: Settings
    seconds: list[float] = field(default_factory=list)
    dbt_seconds: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with ExitStack() as stack:
        small, large = (stack.enter_context(filled(day, history)) for day, history in SIZES[given.full])
        for number in range(given.runs + 1):
            for warehouse in (small, large):
                refresh(warehouse, number=number, is_warm_up=number == 0)
        for warehouse in (small, large):
            seconds, in_dbt = statistics.median(warehouse.seconds), statistics.median(warehouse.dbt_seconds)
            print(f"{warehouse.name}: {seconds:.2f} s, of which dbt {in_dbt:.2f} s")
        ratio, rest = ratios(small, large)
        print(f"ratio {ratio:.2f} (without dbt {rest:.2f})")


def ratios(small: Warehouse, large: Warehouse) -> tuple[float, float]:
    """Large over small: the whole refresh, and the part before dbt."""
    whole = [statistics.median(each.seconds) for each in (small, large)]
    rest = [
        statistics.median(a - b for a, b in zip(each.seconds, each.dbt_seconds, strict=True))
        for each in (small, large)
    ]
    return whole[1] / whole[0], rest[1] / rest[0]


@contextmanager
def filled(n_day: int, n_history: int) -> Iterator[Warehouse]:
    """A warehouse whose day and history are scored, charged and modelled."""
    with tempfile.TemporaryDirectory(prefix="lqo-bench-") as scratch, database(Path(scratch)) as url:
        settings = Settings(home=Path(scratch))
        warehouse = Warehouse(f"day {n_day:,}, history {n_history:,}", url, settings)
        started = time.perf_counter()
        with connect(url, autocommit=True) as connection:
            fill(connection, n_day=n_day, n_history=n_history)
        ensure_manifest(settings)
        run_dbt(settings, url, [Window(DAY - timedelta(days=HISTORY_DAYS), DAY + timedelta(days=1))])
        with connect(url, autocommit=True) as connection:
            connection.execute("vacuum analyze")
        print(f"{warehouse.name}: filled in {time.perf_counter() - started:.0f} s", flush=True)
        yield warehouse


def fill(connection: Connection[TupleRow], *, n_day: int, n_history: int) -> None:
    start = DAY - timedelta(days=HISTORY_DAYS)
    with connection.transaction():
        add_calls(connection, n_history, start=start, spacing=(DAY - start) / n_history, seed="history")
    with connection.transaction():
        add_calls(connection, n_day, start=DAY, spacing=timedelta(days=1) / n_day, seed="day")
    rule_set = register_rule_set(connection, RULES)
    ensure_snapshots(connection, [("openai", "gpt-4o-mini")])
    connection.execute(RESULTS, (rule_set.version,))
    connection.execute(CHARGES, (book_version(connection),))
    connection.execute("truncate raw.dirty_hours")
    connection.execute("analyze")


def refresh(warehouse: Warehouse, *, number: int, is_warm_up: bool) -> None:
    """Land 1,000 calls in one hour and refresh; the first time of a warehouse does not count."""
    in_dbt = 0.0

    def timed_dbt(windows: Sequence[Window]) -> None:
        nonlocal in_dbt
        started = time.perf_counter()
        run_dbt(warehouse.settings, warehouse.url, windows)
        in_dbt = time.perf_counter() - started

    with connect(warehouse.url) as connection:
        with connection.transaction():
            spacing = timedelta(hours=1) / N_NEW
            add_calls(connection, N_NEW, start=NEW_HOUR, spacing=spacing, seed=f"new {number}")
        started = time.perf_counter()
        result = light_refresh(connection, run_dbt=timed_dbt)
        seconds = time.perf_counter() - started
    assert result.scores
    assert result.charges
    assert (result.scores.n_rows, result.charges.n_priced) == (N_NEW, N_NEW), result
    if not is_warm_up:
        warehouse.seconds.append(seconds)
        warehouse.dbt_seconds.append(in_dbt)
        print(f"  {warehouse.name}: {seconds:.2f} s, of which dbt {in_dbt:.2f} s", flush=True)


if __name__ == "__main__":
    main()
