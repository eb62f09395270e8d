"""Rows priced per second: `python tests/benchmarks/bench_pricing.py [ROWS]` (median of five runs).

Every usage object is another one, so that nothing is remembered between rows but the price rows. The library
is measured on the same objects, one call at a time, as its interface has it.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from genai_prices import calc_price, extract_usage

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.pricing.book import PriceBook
from evaluators.pricing.frame import price_frame
from evaluators.pricing.genai import snapshot_rows

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.4"),
    ("anthropic", "claude-sonnet-4-6"),
    ("google", "gemini-2.5-pro"),
)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    frame = calls(rows)
    found = [row for name in MODELS for row in snapshot_rows(*name, at=NOW) or ()]
    book_rows = [replace(row, id=number, price_version=1) for number, row in enumerate(found, start=1)]
    seconds = [timed(lambda: price_frame(frame, book=PriceBook(book_rows))) for _ in range(5)]
    priced = price_frame(frame, book=PriceBook(book_rows))["amount_usd"].count()
    print(f"price_frame: {rows:,} rows, {priced:,} priced, {rows / statistics.median(seconds):,.0f} rows/s")
    print(f"  runs: {', '.join(f'{rows / s:,.0f}' for s in seconds)}")
    start = time.process_time()
    price_frame(frame, book=PriceBook(book_rows))
    print(f"  per second of processor time: {rows / (time.process_time() - start):,.0f}")
    sample = frame.filter(pl.col("provider") == "openai").head(2_000)
    seconds = [timed(lambda: by_library(sample)) for _ in range(3)]
    print(f"genai-prices, one by one: {len(sample) / statistics.median(seconds):,.0f} rows/s")


def calls(rows: int) -> pl.DataFrame:
    rng = random.Random(1)
    names = [rng.choice(MODELS) for _ in range(rows)]
    return pl.DataFrame(
        {
            "call_id": [str(n) for n in range(rows)],
            "started_at": [NOW - timedelta(seconds=rng.randrange(25_000_000)) for _ in range(rows)],
            "attempt": pl.Series([1] * rows, dtype=pl.Int16),
            "provider": [provider for provider, _ in names],
            "model": [model for _, model in names],
            "endpoint": ["/v1/chat/completions"] * rows,
            "usage": [json.dumps(USAGES[provider](rng)) for provider, _ in names],
            "status": ["ok"] * rows,
            "service_tier": pl.Series([None] * rows, dtype=pl.String),
        }
    )


def openai(rng: random.Random) -> dict[str, object]:
    prompt, completion = rng.randrange(1, 300_000), rng.randrange(1, 9_999)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": rng.randrange(prompt), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": rng.randrange(completion),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def anthropic(rng: random.Random) -> dict[str, object]:
    written = rng.randrange(5_000)
    return {
        "input_tokens": rng.randrange(300_000),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": rng.randrange(50_000),
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": rng.randrange(9_999),
        "service_tier": "standard",
    }


def google(rng: random.Random) -> dict[str, object]:
    prompt, out, thoughts = rng.randrange(300_000), rng.randrange(9_999), rng.randrange(9_999)
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": out,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + out + thoughts,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }


USAGES: dict[str, Callable[[random.Random], dict[str, object]]] = {
    "openai": openai,
    "anthropic": anthropic,
    "google": google,
}


def by_library(frame: pl.DataFrame) -> None:
    for usage, model, at in frame.select("usage", "model", "started_at").iter_rows():
        body = {"model": model, "usage": json.loads(usage)}
        found = extract_usage(body, provider_id="openai", api_flavor="chat")
        calc_price(found.usage, model, provider_id="openai", genai_request_timestamp=at)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
