"""The cached share of a recorded trace, as its prefixes, our buckets and our prices tell it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl

from evaluators.pricing.book import PriceBook
from evaluators.pricing.frame import price_frame
from tests.benchmarks.mooncake_calls import cached_share, read_trace
from tests.evaluators.price_rows import row

AT = datetime(2026, 11, 1, tzinfo=UTC)


def test_the_mooncake_trace_gives_its_cached_share_to_the_last_token(shared_data: Path) -> None:
    requests = list(read_trace(shared_data / "mooncake_conversation.jsonl.xz"))
    book = PriceBook(
        [row("input_uncached", "1"), row("cache_read", "0.1"), row("output_text", "2", valid_from=AT)]
    )
    frame = pl.DataFrame(
        {
            "call_id": [str(number) for number in range(len(requests))],
            "started_at": [AT + request.at for request in requests],
            "usage": [json.dumps(request.usage) for request in requests],
        }
    ).with_columns(
        attempt=pl.lit(0, pl.Int16),
        provider=pl.lit("acme"),
        model=pl.lit("m"),
        endpoint=pl.lit("/v1/chat/completions"),
        service_tier=pl.lit(None, pl.String),
    )

    charged = price_frame(frame, book=book)

    cached, total = cached_share(requests)
    assert (len(requests), cached, total) == (12_031, 54_098_411, 144_793_823)
    assert charged["cache_read"].sum() == cached
    assert charged["cache_read"].sum() + charged["input_uncached"].sum() == total
    output = sum(request.output_tokens for request in requests)
    spent = Decimal(cached) / 10 + (total - cached) + 2 * output
    assert charged["amount_usd"].sum() == spent / 10**6
