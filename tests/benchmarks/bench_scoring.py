"""Rule checks from the warehouse back into it: read, score, write.

    LQO_BENCH_DATABASE_URL=postgresql://… python -m tests.benchmarks.bench_scoring [--rows N] [--runs N]

The calls are real answers (M-IFEval, MT-Bench) repeated to N rows, with their requests as zstd. Each run is a
process of its own, so that its peak memory is that of scoring alone, its workers counted. Makes a database on
that server (the embedded one without the variable) and drops it. Bars: under 1.5 GB; calls/s to compare with
bench_rules.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import zstandard
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.uuid7 import derived_uuid7
from orchestration.frames import copy_frame
from orchestration.rules.scoring import score_window
from orchestration.windows import day_window
from tests.benchmarks.bench_concurrent_windows import database
from tests.benchmarks.bench_rules import DATA, real_calls

START = datetime(2026, 10, 14, tzinfo=UTC)
TEXTS = ("input_text", "output_text")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lqo-bench-") as scratch, database(Path(scratch)) as url:
        with connect(url) as connection:
            land(connection, real_calls(given.data, rows=given.rows))
        runs = [run(url, rows=given.rows) for _ in range(given.runs)]
    seconds, peak = statistics.median(each[0] for each in runs), max(each[1] for each in runs)
    print(
        f"{given.rows:,} calls in {seconds:.1f} s: {given.rows / seconds:,.0f} calls/s, peak {peak:,.0f} MB"
    )


def land(connection: Connection[TupleRow], calls: pl.DataFrame) -> None:
    """Put the calls evenly over one day, as landing would store them."""
    step = timedelta(days=1) / calls.height // timedelta(milliseconds=1) * timedelta(milliseconds=1)
    times = [START + step * n for n in range(calls.height)]
    ids = [str(derived_uuid7(at, key=str(n).encode())) for n, at in enumerate(times)]
    requests = [
        zstandard.compress(json.dumps({"messages": [{"role": "user", "content": text}]}).encode())
        for text in calls["input_text"]
    ]
    keys = pl.DataFrame({"call_id": ids, "started_at": pl.Series(times, dtype=pl.Datetime("us", "UTC"))})
    bodies = pl.Series("request", [f"\\x{body.hex()}" for body in requests])
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("select ingest.ensure_month(%s::date)", (START,))
        cursor.execute("create temp table calls (call_id uuid, started_at timestamptz) on commit drop")
        copy_frame(cursor, keys, table="calls")
        cursor.execute(
            "insert into raw.llm_calls (call_id, started_at, source, endpoint, provider, requested_model,"
            " status, finish_reason, latency_ms, load_id, content_hash)"
            " select call_id, started_at, 'import', '/v1/chat/completions', 'openai', 'gpt-4o-mini', 'ok',"
            " 'stop', 900, gen_random_uuid(), '\\x00' from calls"
        )
        cursor.execute("set local search_path to raw")
        texts = pl.concat([keys, calls.select(*TEXTS), bodies.to_frame()], how="horizontal")
        copy_frame(cursor, texts, table="llm_bodies")
    with connection.transaction():
        connection.execute("analyze raw.llm_calls, raw.llm_bodies")


def run(url: DatabaseUrl, *, rows: int) -> tuple[float, float]:
    """Seconds and peak megabytes of scoring the day from nothing."""
    with connect(url) as connection, connection.transaction():
        connection.execute("truncate evaluation.rule_results")
    with get_context("spawn").Pool(1) as pool:
        seconds, peak, n_rows = pool.apply(score, (url,))
    assert n_rows == rows, n_rows
    print(f"  {rows / seconds:,.0f} calls/s, peak {peak:,.0f} MB", flush=True)
    return seconds, peak


def score(url: DatabaseUrl) -> tuple[float, float, int]:
    with connect(url) as connection:
        started = time.perf_counter()
        result = score_window(connection, [day_window(START.date())])
        seconds = time.perf_counter() - started
    # A worker beside each further core: their peaks need not fall together, so this is the most there was.
    workers = (len(os.sched_getaffinity(0)) - 1) * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + workers
    return seconds, peak / 1024, result.n_rows


if __name__ == "__main__":
    main()
