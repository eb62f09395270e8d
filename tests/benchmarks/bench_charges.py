"""Charging and re-pricing landed calls, and what the same rows cost to read and copy without a price.

    LQO_BENCH_DATABASE_URL=postgresql://… python -m tests.benchmarks.bench_charges [--days 90] [--a-day 50000]

Fills so many calls a day of three models (1 %, 9 % and 90 % of them), every usage object another one, and
charges them. Then, chunk by chunk and in turns: the chunk is read from `raw` and copied with its charges into
the stage, once priced in between, once with the figures that are known already. Then the prices of 1 %, 10 %
and 100 % of the calls are corrected, one after the other. Bars: reading, pricing and copying takes at most
1.3 times reading and copying; re-pricing grows with the calls that it is about. Without a database given it
starts one of its own; 90 days of 50,000 need some 9 GB there.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import polars as pl
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.pricing.rows import PriceRow
from ingest.database.connect import connect
from orchestration.cost import charging
from orchestration.cost import charging_queries as queries
from orchestration.cost import charging_writes as writes
from orchestration.cost.charging import CHUNK_CALLS, NO_CALL, charge_attempts, charge_corrected, charge_window
from orchestration.cost.price_book import import_prices, load_book
from orchestration.frames import copy_frame, read_chunk
from orchestration.windows import Window
from tests.benchmarks.bench_concurrent_windows import database

START = datetime(2026, 7, 1, tzinfo=UTC)
MODELS = (("rare-model", 1), ("some-model", 9), ("most-model", 90))
"""And how many of a hundred calls are theirs."""

FILL: LiteralString = """
with drawn as materialized (
    select
        %(day)s + n * interval '1 day' / %(a_day)s as started_at,
        case when n %% 100 = 0 then 'rare-model' when n %% 10 = 0 then 'some-model' else 'most-model' end
            as model,
        (1 + random() * 9000)::int as prompt,
        (1 + random() * 2000)::int as completion,
        random() as cached,
        random() as reasoning
    from generate_series(0, %(a_day)s - 1) as numbers (n)
)
insert into raw.llm_calls (
    call_id, started_at, source, endpoint, provider, requested_model, status, usage, purpose, attempts,
    finish_reason, latency_ms, load_id, content_hash
)
select
    (lpad(to_hex((extract(epoch from started_at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 4, 15))::uuid,
    date_trunc('milliseconds', started_at), 'import', '/v1/chat/completions', 'openai', model, 'ok',
    jsonb_build_object(
        'prompt_tokens', prompt,
        'completion_tokens', completion,
        'total_tokens', prompt + completion,
        'prompt_tokens_details',
        jsonb_build_object('cached_tokens', (cached * prompt)::int, 'audio_tokens', 0),
        'completion_tokens_details',
        jsonb_build_object('reasoning_tokens', (reasoning * completion)::int, 'audio_tokens', 0)
    ),
    'product', '[]', 'stop', 1000, gen_random_uuid(), '\\x00'
from drawn
"""

WRITTEN: LiteralString = """
select model, count(*) from cost.charges where charged_at >= %(since)s group by model order by 2
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--a-day", type=int, default=50_000)
    parser.add_argument("--compared", type=int, default=1_000_000, help="calls to compare with read and copy")
    given = parser.parse_args()
    window = Window(START, START + timedelta(days=given.days))
    with (
        tempfile.TemporaryDirectory() as scratch,
        database(Path(scratch)) as url,
        connect(url) as connection,
    ):
        filled = timed(lambda: fill(connection, days=given.days, a_day=given.a_day))
        import_prices(connection, prices("2"), source="bench")
        n_calls = given.days * given.a_day
        first = timed(lambda: charge_window(connection, [window]))
        print(f"{n_calls:,} calls made in {filled:.0f} s", flush=True)
        print(f"  charged in {first:.1f} s ({n_calls / first:,.0f} a second): read, priced, written, indexed")
        with connection.transaction():
            connection.execute("analyze raw.llm_calls, cost.charges")
        compare(connection, window, calls=given.compared)
        names = [name for name, _ in MODELS]
        for usd, touched in enumerate((names[:1], names[:2], names), start=3):
            correct(connection, window, touched, usd=str(usd))


def compare(connection: Connection[TupleRow], window: Window, *, calls: int) -> None:
    """In turns, each first in every other chunk, so that other work on the machine slows both alike."""
    book = load_book(connection)
    bare, priced = Times(connection), Times(connection)
    position = (window.start, NO_CALL)
    while CHUNK_CALLS * len(bare.wall) < calls:
        known = read(connection, position, window)
        if known.is_empty():
            break
        charges = charge_attempts(known, book=book)

        def copy(at: tuple[datetime, UUID] = position, charges: pl.DataFrame = charges) -> None:
            read(connection, at, window)
            stage(connection, charges)

        def price(at: tuple[datetime, UUID] = position) -> None:
            stage(connection, charge_attempts(read(connection, at, window), book=book))

        works = [(bare, copy), (priced, price)]
        for times, work in works if len(bare.wall) % 2 else works[::-1]:
            times.add(work)
        position = (known["started_at"][-1].astimezone(UTC), UUID(known["call_id"][-1]))
    n, bare_s, priced_s = len(bare.wall), sum(bare.wall), sum(priced.wall)
    print(f"  {n} chunks: read and copied in {bare_s:.1f} s, read, priced and copied in {priced_s:.1f} s")
    print(
        f"    in the median chunk {ratio(priced.wall, bare.wall)};"
        f" of processor time, client and server, {ratio(priced.processor, bare.processor)}",
        flush=True,
    )


class Times:
    """Seconds of each run: by the clock, and of processor time of this process and its server process."""

    def __init__(self, connection: Connection[TupleRow]) -> None:
        self.wall: list[float] = []
        self.processor: list[float] = []
        self._server = Path(f"/proc/{connection.info.backend_pid}/schedstat")

    def add(self, work: Callable[[], object]) -> None:
        before = self._processor()
        self.wall.append(timed(work))
        self.processor.append(self._processor() - before)

    def _processor(self) -> float:
        """NaN where the server is on another machine."""
        on_server = int(self._server.read_text().split()[0]) / 1e9 if self._server.exists() else math.nan
        return time.process_time() + on_server


def ratio(slow: Sequence[float], fast: Sequence[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(slow, fast, strict=True)):.2f} times"


def correct(connection: Connection[TupleRow], window: Window, names: Sequence[str], *, usd: str) -> None:
    rows = [row for row in prices(usd) if row.model in names]
    with connection.transaction():
        (now,) = connection.execute("select clock_timestamp()").fetchone() or (None,)
    marking = timed(lambda: import_prices(connection, rows, source="bench"))
    done: list[charging.ChargeResult] = []
    times = Times(connection)
    times.add(lambda: done.append(charge_corrected(connection, [window], since=now)))
    n = done[0].n_restated
    with connection.transaction():
        written = connection.execute(WRITTEN, {"since": now}).fetchall()
    print(
        f"  corrected the price of {n:,} calls: hours found in {marking:.1f} s; priced again in"
        f" {times.wall[0]:.1f} s, {1e6 * times.wall[0] / n:,.0f} us a call"
        f" ({1e6 * times.processor[0] / n:,.0f} us of processor time); written by model: {dict(written)}",
        flush=True,
    )


def fill(connection: Connection[TupleRow], *, days: int, a_day: int) -> None:
    for day in range(days):
        at = START + timedelta(days=day)
        with connection.transaction():
            connection.execute("select ingest.ensure_month(%s::date)", (at,))
            connection.execute(FILL, {"day": at, "a_day": a_day})
    with connection.transaction():
        connection.execute("analyze raw.llm_calls")


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


def read(connection: Connection[TupleRow], after: tuple[datetime, UUID], window: Window) -> pl.DataFrame:
    params = {"start": after[0], "after": after[1], "end": window.end, "limit": CHUNK_CALLS}
    with connection.transaction():
        attempts = read_chunk(
            connection, queries.ALL_CALLS, params=params, schema=queries.ATTEMPT_SCHEMA, max_bytes=None
        )
    times = pl.from_epoch("started_us", "us").dt.replace_time_zone("UTC")
    return attempts.with_columns(started_at=times)


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
