"""`lqo whatif` over a long history: seconds, attempts a second, memory; and that it is what charges would be.

    LQO_BENCH_DATABASE_URL=postgresql://… python -m tests.benchmarks.bench_whatif [--days 90] [--a-day 50000]

Makes a database of its own on that server (the embedded one without the variable) and drops it. One day of
calls of three models, with cached and reasoning tokens and varied lengths, is charged and copied to the other
days. Then five questions: one candidate, ten, own models at batch prices, and one and ten prices so fine that
every single call is rounded. `recorded` must come out as charged.
"""

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.pricing.rows import PriceRow
from ingest.database.connect import connect
from orchestration.cost.charging import charge_window
from orchestration.cost.price_book import import_prices
from orchestration.windows import day_window
from reports.whatif.candidates import find_candidates, parse_ratios
from reports.whatif.question import Question, Traffic
from reports.whatif.reading import held_rows, reprice, snapshot
from tests.benchmarks.bench_concurrent_windows import database
from tests.orchestration.seeding import add_calls

START = datetime(2026, 7, 1, tzinfo=UTC)
MODELS = (("gpt-4o", 60), ("gpt-5-mini", 30), ("gpt-4o-mini", 10))
TEN = (
    "gpt-5, gpt-5-nano, gpt-4.1, gpt-4.1-mini, claude-sonnet-4-5, claude-haiku-4-5, gemini-2.5-pro,"
    " gemini-2.5-flash, deepseek-chat, mistral-large-latest"
)
QUESTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("one candidate", "gpt-5-nano, recorded", ()),
    ("ten candidates", TEN, ()),
    ("own models at batch prices", "recorded", ("batch",)),
    ("a price of 9 places", "fine", ()),
    ("ten prices of 9 places", ", ".join(f"fine-{n}" for n in range(10)), ()),
)
FINE = ("fine", *(f"fine-{n}" for n in range(10)))

VARY: LiteralString = """
update raw.llm_calls
set project = 'p' || get_byte(uuid_send(call_id), 12) % 8,
    key_id = 'key_' || get_byte(uuid_send(call_id), 13) % 40,
    usage = jsonb_build_object(
        'prompt_tokens', 200 + lengths.prompt, 'completion_tokens', 20 + lengths.completion,
        'total_tokens', 220 + lengths.prompt + lengths.completion,
        'prompt_tokens_details', jsonb_build_object('cached_tokens', lengths.prompt / 2),
        'completion_tokens_details', jsonb_build_object('reasoning_tokens', lengths.completion / 4)
    ),
    input_preview = repeat('a question about something ', 4), output_preview = repeat('an answer to it ', 7)
from (
    select
        call_id as id,
        get_byte(uuid_send(call_id), 14) * 97 as prompt,
        get_byte(uuid_send(call_id), 15) * 7 as completion
    from raw.llm_calls
) as lengths
where lengths.id = call_id
"""

# The id of a call holds its time.
_MOVED: LiteralString = """
    (
        lpad(to_hex((extract(epoch from moved) * 1000)::bigint), 12, '0')
        || substr(replace(call_id::text, '-', ''), 13)
    )::uuid
"""
COPY_CALLS: LiteralString = f"""
insert into raw.llm_calls (
    call_id, started_at, source, endpoint, provider, requested_model, status, usage, purpose, attempts,
    finish_reason, latency_ms, load_id, content_hash, project, key_id, input_preview, output_preview
)
select
    {_MOVED}, moved, source, endpoint, provider, requested_model, status, usage, purpose, attempts,
    finish_reason, latency_ms, load_id, content_hash, project, key_id, input_preview, output_preview
from raw.llm_calls
cross join lateral (select started_at + %(shift)s::interval as moved) as times
where started_at >= %(start)s and started_at < %(end)s
"""
COPY_CHARGES: LiteralString = f"""
insert into cost.charges
select
    moved, {_MOVED}, attempt, provider, model, price_version, price_row_ids, input_uncached, cache_read,
    cache_write, cache_write_1h, input_audio, output_text, reasoning, output_audio, amount_usd,
    unpriced_reason, reported_usd, is_provisional, charged_at
from cost.charges
cross join lateral (select started_at + %(shift)s::interval as moved) as times
where started_at >= %(start)s and started_at < %(end)s
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--a-day", type=int, default=50_000)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        database(Path(scratch)) as url,
        connect(url) as connection,
    ):
        fill(connection, days=given.days, a_day=given.a_day)
        for title, names, tiers in QUESTIONS:
            answer(connection, title, names, tiers=tiers, days=given.days)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"most memory of this process: {peak} MB")


def fill(connection: Connection[TupleRow], *, days: int, a_day: int) -> None:
    for model, percent in MODELS:
        n = a_day * percent // 100
        with connection.transaction():
            spacing = timedelta(milliseconds=86_000_000 // n)
            add_calls(connection, n, start=START, spacing=spacing, seed=model, model=model)
    with connection.transaction():
        connection.execute(VARY)
    import_prices(connection, fine_prices(), source="bench")
    charge_window(connection, [day_window(START.date())])
    window = {"start": START, "end": START + timedelta(days=1)}
    for day in range(1, days):
        given = {**window, "shift": timedelta(days=day)}
        with connection.transaction():
            connection.execute("select ingest.ensure_month(%s::date)", (START + timedelta(days=day),))
            connection.execute(COPY_CALLS, given)
            connection.execute(COPY_CHARGES, given)
    with connection.transaction():
        connection.execute("analyze raw.llm_calls, cost.charges")


def fine_prices() -> list[PriceRow]:
    return [
        PriceRow(
            provider=None,
            model=model,
            bucket=bucket,
            usd_per_million=Decimal("0.123456789") + number,
            valid_from=START,
            recorded_at=START,
            source="bench",
        )
        for number, model in enumerate(FINE)
        for bucket in ("input_uncached", "cache_read", "output_text")
    ]


def answer(
    connection: Connection[TupleRow], title: str, names: str, *, tiers: tuple[str, ...], days: int
) -> None:
    started, busy = time.perf_counter(), time.process_time()
    with snapshot(connection):
        candidates, prices = find_candidates(
            [name.strip() for name in names.split(",")],
            tiers=tiers,
            held=held_rows(connection),
            at=datetime.now(UTC),
            input_ratios=parse_ratios((), option="--ratio"),
        )
        traffic = Traffic(first=START.date(), last=START.date() + timedelta(days=days - 1))
        totals = reprice(connection, Question(traffic=traffic, candidates=candidates), prices=prices)
    seconds = time.perf_counter() - started
    n = totals.recorded.n_attempts
    own = next((line for (_, each), line in totals.lines.items() if each.label == "recorded"), None)
    assert own is None or own.whatif_usd == own.actual_usd == totals.recorded.amount_usd
    ours = time.process_time() - busy
    print(
        f"{title}: {n:,} attempts in {seconds:.1f} s ({n / seconds:,.0f} a second),"
        f" {ours:.1f} s of it in Python",
        flush=True,
    )


if __name__ == "__main__":
    main()
