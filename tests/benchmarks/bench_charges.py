"""Charging and re-pricing landed calls, and what the same rows cost to read and copy without a price.

    LQO_BENCH_DATABASE_URL=postgresql://… python -m tests.benchmarks.bench_charges [--days 90] [--a-day 50000]

Fills so many calls a day of three models (1 %, 9 % and 90 % of them), charges them, and corrects the price of
1 %, 10 % and 100 % of the calls. "Read and copy": the same chunks, read from `raw` in the same way and copied
into the same stage with figures that are there already. Bars: charging takes at most 1.3 times reading and
copying; re-pricing grows with the calls that it is about.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import polars as pl
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.pricing.rows import PriceRow
from ingest.database.connect import connect
from orchestration import charging
from orchestration import charging_queries as queries
from orchestration import charging_writes as writes
from orchestration.charging import CHUNK_CALLS, NO_CALL, charge_attempts, charge_corrected, charge_window
from orchestration.frames import copy_frame, read_chunk
from orchestration.price_book import import_prices, load_book
from orchestration.windows import Window
from tests.benchmarks.bench_concurrent_windows import database
from tests.orchestration.seeding import add_calls

START = datetime(2026, 7, 1, tzinfo=UTC)
MODELS = (("rare-model", 1), ("some-model", 9), ("most-model", 90))
USAGE: dict[str, object] = {
    "prompt_tokens": 3_000,
    "completion_tokens": 500,
    "total_tokens": 3_500,
    "prompt_tokens_details": {"cached_tokens": 1_024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 100, "audio_tokens": 0},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--a-day", type=int, default=50_000)
    given = parser.parse_args()
    window = Window(START, START + timedelta(days=given.days))
    with (
        tempfile.TemporaryDirectory() as scratch,
        database(Path(scratch)) as url,
        connect(url) as connection,
    ):
        fill(connection, days=given.days, a_day=given.a_day)
        import_prices(connection, prices("2"), source="bench")
        n_calls = given.days * given.a_day
        first = timed(lambda: charge_window(connection, [window]))
        print(
            f"{n_calls:,} calls charged in {first:.1f} s ({n_calls / first:,.0f} a second), with the writes"
        )
        with connection.transaction():
            connection.execute("analyze raw.llm_calls, cost.charges")
        compare(connection, window)
        usd = 3
        for names in (("rare-model",), ("rare-model", "some-model"), tuple(name for name, _ in MODELS)):
            correct(connection, window, names, usd=str(usd))
            usd += 1


def compare(connection: Connection[TupleRow], window: Window) -> None:
    """In turns, so that other work on the machine slows both alike; the median of five."""
    rounds = [
        (timed(lambda: read_and_copy(connection, window)), timed(lambda: price_and_copy(connection, window)))
        for _ in range(5)
    ]
    bare, priced = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(priced / bare for bare, priced in rounds)
    print(
        f"  read and copied {bare:.1f} s, read, priced and copied {priced:.1f} s: {ratio:.2f} times",
        flush=True,
    )


def correct(connection: Connection[TupleRow], window: Window, names: tuple[str, ...], *, usd: str) -> None:
    rows = [row for row in prices(usd) if row.model in names]
    marking = timed(lambda: import_prices(connection, rows, source="bench"))
    done: list[charging.ChargeResult] = []
    seconds = timed(lambda: done.append(charge_corrected(connection, [window])))
    n = done[0].n_restated
    again = f"priced again {seconds:.1f} s ({n / seconds:,.0f} a second)"
    print(f"  corrected {n:,} calls: found {marking:.1f} s, {again}", flush=True)


def fill(connection: Connection[TupleRow], *, days: int, a_day: int) -> None:
    for day in range(days):
        for model, percent in MODELS:
            n = a_day * percent // 100
            spacing = timedelta(milliseconds=86_000_000 // n)
            with connection.transaction():
                at = START + timedelta(days=day)
                add_calls(connection, n, start=at, spacing=spacing, seed=model, model=model, usage=USAGE)


def prices(usd: str) -> list[PriceRow]:
    """One price for every kind of token of each model."""
    return [
        PriceRow(
            provider=None,
            model=model,
            bucket=bucket,
            usd_per_million=Decimal(usd),
            valid_from=START,
            recorded_at=START,
            source="bench",
        )
        for model, _ in MODELS
        for bucket in ("input_uncached", "cache_read", "output_text")
    ]


def read_and_copy(connection: Connection[TupleRow], window: Window) -> None:
    """Every chunk read, and copied with its keys and made-up figures into the stage of the charges."""
    book = load_book(connection)
    ready: dict[int, pl.DataFrame] = {}
    for attempts in chunks(connection, window):
        if len(attempts) not in ready:
            ready[len(attempts)] = charge_attempts(attempts, book=book)
        figures = ready[len(attempts)].drop("call_id", "started_at", "attempt", "provider", "model")
        keys = attempts.select("call_id", "started_at", "attempt", "provider", "model")
        stage(connection, pl.concat([keys, figures], how="horizontal"))


def price_and_copy(connection: Connection[TupleRow], window: Window) -> None:
    """The same, priced."""
    book = load_book(connection)
    for attempts in chunks(connection, window):
        stage(connection, charge_attempts(attempts, book=book))


def chunks(connection: Connection[TupleRow], window: Window) -> Iterator[pl.DataFrame]:
    position = (window.start, NO_CALL)
    while True:
        params = {"start": position[0], "after": position[1], "end": window.end, "limit": CHUNK_CALLS}
        with connection.transaction():
            attempts = read_chunk(
                connection, queries.ALL_CALLS, params=params, schema=queries.ATTEMPT_SCHEMA, max_bytes=None
            )
        if attempts.is_empty():
            return
        times = pl.from_epoch("started_us", "us").dt.replace_time_zone("UTC")
        attempts = attempts.with_columns(started_at=times)
        yield attempts
        position = (attempts["started_at"][-1].astimezone(UTC), UUID(attempts["call_id"][-1]))


def stage(connection: Connection[TupleRow], charges: pl.DataFrame) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(writes.MAKE_STAGE)
        copy_frame(cursor, charges, table="charged_attempts")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
