"""Rows copied from genai-prices: priced by our book they give the library's own figures."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Usage

from evaluators.pricing.book import PriceBook, price
from evaluators.pricing.genai import Refused, snapshot_rows
from evaluators.pricing.rows import Charge, PriceRow, Unpriced

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TIMES = [
    datetime.fromisoformat(text + "+00:00")
    for text in (
        "2024-05-01T00:10",
        "2026-03-12T12:00",
        "2026-09-20T03:00",
        "2026-12-01T18:00",
        "2027-02-01T07:00",
    )
]
PROVIDERS = ("anthropic", "aws", "cohere", "deepseek", "google", "groq", "mistral", "openai", "x-ai")
FRESH, READ, WRITTEN, TEXT, REASONING = 123_457, 50_021, 30_011, 9_973, 4_999


def models(provider: str) -> list[ModelInfo]:
    return next(item for item in get_snapshot().providers if item.id == provider).models


def book_of(provider: str, model: str) -> PriceBook | Refused:
    rows = snapshot_rows(provider, model, at=NOW)
    if isinstance(rows, Refused):
        return rows
    return PriceBook(replace(item, id=n, price_version=1) for n, item in enumerate(rows, start=1))


def library_price(info: ModelInfo, at: datetime, *, batch: bool) -> Decimal:
    usage = Usage(
        input_tokens=FRESH + READ + WRITTEN,
        cache_read_tokens=READ,
        cache_write_tokens=WRITTEN,
        output_tokens=TEXT + REASONING,
        output_reasoning_tokens=REASONING,
    )
    prices = info.get_prices(at, {"processing": "batch"} if batch else None)
    return prices.calc_price(usage)["total_price"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_copied_price_gives_the_library_s_figure_at_any_time(provider: str) -> None:
    usage = {
        "prompt_tokens": FRESH + READ + WRITTEN,
        "prompt_tokens_details": {"cached_tokens": READ, "cache_write_tokens": WRITTEN},
        "completion_tokens": TEXT + REASONING,
        "completion_tokens_details": {"reasoning_tokens": REASONING},
        "total_tokens": FRESH + READ + WRITTEN + TEXT + REASONING,
    }
    compared = 0
    for info in models(provider):
        book = book_of(provider, info.id)
        if (
            isinstance(book, Refused)
            or get_snapshot().find_provider_model(info.id, None, provider, None)[1] is not info
        ):
            continue
        for at in TIMES:
            for batch in (False, True):
                tier = "batch" if batch else None
                charge = price(usage, provider=provider, model=info.id, at=at, book=book, service_tier=tier)
                if isinstance(charge, Unpriced):
                    assert batch or charge.reason == "unpriced_bucket:output_text", (info.id, at, charge)
                    continue
                expected = library_price(info, at, batch=batch)
                assert charge.amount_usd == expected.quantize(Decimal("1E-12")), (info.id, at, batch)
                compared += 1
    assert compared >= 5


def test_tiers_and_start_dates_become_rows() -> None:
    rows = snapshot_rows("anthropic", "claude-sonnet-4-6", at=NOW)
    assert isinstance(rows, list)
    standard = [r for r in rows if r.bucket == "input_uncached" and r.service_tier == "standard"]
    change = datetime(2026, 3, 13, tzinfo=UTC)
    assert {(r.min_input_tokens, r.valid_to) for r in standard} >= {(200_000, change)}
    assert not [r for r in standard if r.min_input_tokens and r.valid_from >= change]
    assert all(r.recorded_at == NOW and r.source.startswith("genai-prices 0.") for r in rows)


def test_hours_become_part_of_the_service_tier() -> None:
    rows = snapshot_rows("deepseek", "deepseek-chat", at=NOW)
    assert isinstance(rows, list)
    assert {r.service_tier for r in rows} == {"standard@00:30-16:30", "standard@16:30-00:30"}


def test_every_row_s_period_follows_the_one_before() -> None:
    rows = snapshot_rows("google", "gemini-4-argon", at=NOW)
    assert isinstance(rows, list)
    chains: dict[tuple[str, int, str], list[PriceRow]] = {}
    for item in rows:
        chains.setdefault((item.bucket, item.min_input_tokens, item.service_tier), []).append(item)
    for chain in chains.values():
        chain.sort(key=lambda item: item.valid_from)
        assert [item.valid_to for item in chain[:-1]] == [item.valid_from for item in chain[1:]]
        assert chain[-1].valid_to is None
        assert all(a.usd_per_million != b.usd_per_million for a, b in pairwise(chain))


def test_the_model_need_not_be_named_as_the_library_names_it() -> None:
    rows = snapshot_rows("openai", "gpt-4o-2024-08-06", at=NOW)
    assert isinstance(rows, list)
    assert {r.model for r in rows} == {"gpt-4o-2024-08-06"}


@pytest.mark.parametrize(
    ("provider", "model", "reason"),
    [
        ("acme", "gpt-4o", "unknown_model"),
        ("openai", "no-such-model", "unknown_model"),
        ("openai-compatible", "gpt-4o", "unknown_model"),
        ("perplexity", "sonar", "fee_per_request"),
        ("groq", "whisper-large-v3", "no_token_price"),
        ("google", "gemini-embedding-2", "video_price"),
    ],
)
def test_what_tokens_alone_do_not_price_is_refused(provider: str, model: str, reason: str) -> None:
    assert snapshot_rows(provider, model, at=NOW) == Refused(reason)


def test_one_hour_writes_are_twice_the_input_where_the_library_has_no_price() -> None:
    usage = {"input_tokens": 0, "output_tokens": 0, "cache_creation": {"ephemeral_1h_input_tokens": 10**6}}
    book = book_of("anthropic", "claude-3-5-haiku-latest")
    assert isinstance(book, PriceBook)
    charge = price(usage, provider="anthropic", model="claude-3-5-haiku-latest", at=NOW, book=book)
    assert isinstance(charge, Charge)
    assert charge.amount_usd == Decimal("1.6")
