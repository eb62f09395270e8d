"""Calls priced per second, beside genai-prices called once per row.

    python tests/benchmarks/bench_pricing.py [CALLS]      (default 1,000,000; 5,000,000 take a minute or two)

Every usage object is another one, and a chunk holds as many calls as charging reads at a time, so that memory
stays the same however many there are. In turns with each chunk the library prices a hundred of its calls:
all of them would take it many minutes. It is timed as its interface has it for recorded calls (the usage
object read, then priced), and for the price alone. Each of these amounts is compared to the last digit.
Bar: at least 20 times the calls per second of the library.
"""

import json
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import polars as pl
from genai_prices import calc_price, extract_usage

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.pricing.book import PLACES, PriceBook
from evaluators.pricing.frame import price_frame
from evaluators.pricing.genai import snapshot_rows

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CHUNK_CALLS = 20_000
SAMPLE = 100
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.4"),
    ("anthropic", "claude-sonnet-4-6"),
    ("google", "gemini-2.5-pro"),
)
FLAVORS = {"openai": "chat", "anthropic": "default", "google": "default"}
USAGE_FIELDS = {"openai": "usage", "anthropic": "usage", "google": "usageMetadata"}


@dataclass(slots=True)
class Times:
    """Seconds a call, per chunk, by the wall clock and by the processor's (all threads)."""

    wall: list[float] = field(default_factory=list[float])
    processor: list[float] = field(default_factory=list[float])

    def add(self, work: Callable[[], Any], *, calls: int) -> Any:
        wall, processor = time.perf_counter(), time.process_time()
        result = work()
        self.wall.append((time.perf_counter() - wall) / calls)
        self.processor.append((time.process_time() - processor) / calls)
        return result

    def rate(self) -> str:
        wall, processor = (1 / statistics.median(times) for times in (self.wall, self.processor))
        return f"{wall:>9,.0f} calls a second ({processor:,.0f} a second of processor time)"

    def times_slower(self, ours: "Times") -> str:
        ratio, of_processor = (
            statistics.median(theirs / our for theirs, our in zip(*pair, strict=True))
            for pair in ((self.wall, ours.wall), (self.processor, ours.processor))
        )
        return f"{ratio:.1f} times slower (processor time: {of_processor:.1f})"


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rng = random.Random(1)
    found = [row for name in MODELS for row in snapshot_rows(*name, at=NOW) or ()]
    book = PriceBook(replace(row, id=number, price_version=1) for number, row in enumerate(found, start=1))
    ours, read_and_price, price_alone = Times(), Times(), Times()
    started, n_priced, n_equal, n_compared = time.perf_counter(), 0, 0, 0
    for first in range(0, calls, CHUNK_CALLS):
        frame = made_up(min(CHUNK_CALLS, calls - first), rng)
        charged = ours.add(lambda frame=frame: price_frame(frame, book=book), calls=len(frame))
        sample = sorted(rng.sample(range(len(frame)), min(SAMPLE, len(frame))))
        rows = frame[sample].select("provider", "model", "usage", "started_at").rows()
        amounts = read_and_price.add(lambda rows=rows: by_library(rows), calls=len(rows))
        usages = [read_usage(provider, model, usage) for provider, model, usage, _ in rows]
        price_alone.add(lambda rows=rows, usages=usages: priced(rows, usages), calls=len(rows))
        n_priced += charged["amount_usd"].count()
        n_compared += len(rows)
        n_equal += sum(map(is_equal, charged["amount_usd"][sample], amounts))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took = time.perf_counter() - started
    print(f"{calls:,} calls, {n_priced:,} priced, in chunks of {CHUNK_CALLS:,}; medians of {len(ours.wall)}")
    print(f"  price_frame                      {ours.rate()}")
    print(f"  genai-prices, usage read, priced {read_and_price.rate()}: {read_and_price.times_slower(ours)}")
    print(f"  genai-prices, priced alone       {price_alone.rate()}: {price_alone.times_slower(ours)}")
    print(
        f"  the library priced a sample, {SAMPLE} of each chunk: {n_equal:,} of {n_compared:,} amounts equal"
    )
    print(f"  all in {took:.0f} s (most of it making up the calls), at most {peak:,.0f} MB")


def made_up(calls: int, rng: random.Random) -> pl.DataFrame:
    names = [rng.choice(MODELS) for _ in range(calls)]
    return pl.DataFrame(
        {
            "call_id": [str(n) for n in range(calls)],
            "started_at": [NOW - timedelta(seconds=rng.randrange(25_000_000)) for _ in range(calls)],
            "attempt": pl.Series([0] * calls, dtype=pl.Int16),
            "provider": [provider for provider, _ in names],
            "model": [model for _, model in names],
            "endpoint": ["/v1/chat/completions"] * calls,
            "usage": [json.dumps(USAGES[provider](rng)) for provider, _ in names],
            "service_tier": pl.Series([None] * calls, dtype=pl.String),
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


def read_usage(provider: str, model: str, usage: str) -> Any:
    field = "modelVersion" if provider == "google" else "model"
    body = {field: model, USAGE_FIELDS[provider]: json.loads(usage)}
    return extract_usage(body, provider_id=provider, api_flavor=FLAVORS[provider]).usage


def by_library(rows: Sequence[tuple[Any, ...]]) -> list[Decimal]:
    return [
        calc_price(
            read_usage(provider, model, usage), model, provider_id=provider, genai_request_timestamp=at
        ).total_price
        for provider, model, usage, at in rows
    ]


def priced(rows: Sequence[tuple[Any, ...]], usages: Sequence[Any]) -> None:
    for (provider, model, _, at), usage in zip(rows, usages, strict=True):
        calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)


def is_equal(ours: Decimal, theirs: Decimal) -> bool:
    return str(ours) == str(theirs.quantize(PLACES, rounding=ROUND_HALF_EVEN))


if __name__ == "__main__":
    main()
