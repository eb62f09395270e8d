"""The curated history: past prices that today's tables forget, each with its source, none left open."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import pytest

from evaluators.pricing.book import PriceBook, price
from evaluators.pricing.curated import curated_rows
from evaluators.pricing.files import read_price_file
from evaluators.pricing.genai import snapshot_rows
from evaluators.pricing.rows import Charge, PriceRow
from tests.evaluators.price_rows import row

TODAY = datetime(2026, 11, 1, tzinfo=UTC)
MILLION = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000}


def book_of(provider: str, model: str, *own: PriceRow) -> PriceBook:
    copied = snapshot_rows(provider, model, at=TODAY)
    assert isinstance(copied, list)
    rows = [*copied, *curated_rows(), *own]
    return PriceBook(replace(each, id=number, price_version=1) for number, each in enumerate(rows, start=1))


def cost(provider: str, model: str, at: str, *own: PriceRow, tier: str | None = None) -> Decimal:
    book, time = book_of(provider, model, *own), datetime.fromisoformat(at)
    found = price(MILLION, provider=provider, model=model, at=time, book=book, service_tier=tier)
    assert isinstance(found, Charge), found
    return found.amount_usd


@pytest.mark.parametrize(
    ("provider", "model", "at", "usd"),
    [
        ("openai", "gpt-4o", "2024-06-15T12:00:00Z", "20"),
        ("openai", "gpt-4o", "2024-10-01T23:59:59.999999Z", "20"),
        ("openai", "gpt-4o", "2024-10-02T00:00:00Z", "12.5"),
        ("openai", "o3", "2025-06-09T23:59:59Z", "50"),
        ("openai", "o3", "2025-06-10T00:00:00Z", "10"),
        ("openai", "gpt-3.5-turbo", "2024-01-30T00:00:00Z", "3.5"),
        ("openai", "gpt-3.5-turbo", "2024-02-29T00:00:00Z", "2"),
        ("anthropic", "claude-3-5-haiku-20241022", "2024-11-20T00:00:00Z", "6"),
        ("anthropic", "claude-3-5-haiku-20241022", "2024-12-03T00:00:00Z", "4.8"),
        ("google", "gemini-1.5-flash", "2024-07-01T00:00:00Z", "2.8"),
        ("google", "gemini-1.5-flash", "2024-08-12T00:00:00Z", "0.75"),
        ("deepseek", "deepseek-chat", "2025-02-08T15:59:59Z", "0.42"),
        ("deepseek", "deepseek-chat", "2025-02-09T20:00:00Z", "1.37"),
        ("deepseek", "deepseek-chat", "2025-03-01T16:29:59Z", "1.37"),
        ("deepseek", "deepseek-chat", "2025-03-01T16:30:00Z", "0.685"),
        ("deepseek", "deepseek-chat", "2025-09-06T20:00:00Z", "2.24"),
    ],
)
def test_a_call_costs_what_it_cost_then(provider: str, model: str, at: str, usd: str) -> None:
    assert cost(provider, model, at) == Decimal(usd)


@pytest.mark.parametrize(
    ("provider", "model", "at", "usd"),
    [
        ("openai", "gpt-4o", "2024-06-15T00:00:00Z", "10"),
        ("openai", "gpt-4o-mini", "2026-10-01T00:00:00Z", "0.375"),
        ("openai", "gpt-4o-mini", "2026-10-14T00:00:00Z", "0.375"),
        ("openai", "o3", "2025-06-10T00:00:00Z", "5"),
        ("anthropic", "claude-sonnet-4-20250514", "2025-07-01T00:00:00Z", "9"),
    ],
)
def test_a_batch_costs_half_before_the_library_says_so_and_after(
    provider: str, model: str, at: str, usd: str
) -> None:
    assert cost(provider, model, at, tier="batch") == Decimal(usd)


def test_a_price_of_the_users_own_wins_over_the_curated_one() -> None:
    own = [
        row(bucket, "7", provider=None, model="gpt-4o", valid_from=datetime(2024, 1, 1, tzinfo=UTC))
        for bucket in ("input_uncached", "output_text")
    ]
    assert cost("openai", "gpt-4o", "2024-06-15T12:00:00Z", *own) == Decimal(14)


def test_every_curated_price_ends_and_names_its_source() -> None:
    for each in curated_rows():
        assert each.valid_to is not None
        assert each.valid_to < TODAY
        assert len(each.source) > len("curated history: ")


def test_no_two_curated_prices_hold_at_once() -> None:
    by_bucket: dict[tuple[object, ...], list[PriceRow]] = {}
    for each in curated_rows():
        key = (each.provider, each.model, each.bucket, each.min_input_tokens, each.service_tier)
        by_bucket.setdefault(key, []).append(each)
    for rows in by_bucket.values():
        for a, b in combinations(rows, 2):
            assert a.valid_to and b.valid_to
            assert a.valid_to <= b.valid_from or b.valid_to <= a.valid_from


def test_no_bucket_of_a_curated_time_is_priced_by_todays_table() -> None:
    at = datetime(2024, 6, 15, tzinfo=UTC)
    found = price(
        {
            "input_tokens": 30,
            "output_tokens": 20,
            "input_tokens_details": {"cached_tokens": 10, "audio_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 10},
        },
        provider="openai",
        model="gpt-4o",
        at=at,
        book=book_of("openai", "gpt-4o"),
    )
    assert isinstance(found, Charge)
    assert "genai-prices" not in found.source
    assert found.amount_usd == Decimal("0.00045")


@pytest.mark.parametrize(
    ("model", "at", "usd"),
    [
        ("gpt-4o", "2024-06-15T12:00:00Z", "20"),
        ("gpt-4o", "2025-01-15T12:00:00Z", "12.5"),
        ("o3", "2025-04-20T12:00:00Z", "50"),
        ("o3", "2025-05-20T12:00:00Z", "50"),
        ("o3", "2025-06-09T23:59:59.999Z", "50"),
        # The table saw the cuts later: o3's by a day, gpt-4o's by six weeks, gpt-3.5-turbo's never.
        ("o3", "2025-06-10T00:00:00Z", "10"),
        ("o3", "2025-07-01T12:00:00Z", "10"),
        ("gpt-4o", "2024-10-02T00:00:00Z", "12.5"),
        ("gpt-4o", "2024-11-10T00:00:00Z", "12.5"),
        ("gpt-3.5-turbo", "2025-06-01T00:00:00Z", "2"),
        ("gpt-3.5-turbo", "2026-06-01T00:00:00Z", "2"),
    ],
)
def test_a_call_costs_what_it_cost_then_with_a_table_of_observed_prices_too(
    shared_data: Path, model: str, at: str, usd: str
) -> None:
    observed = read_price_file(shared_data / "price_history.csv", recorded_at=TODAY)
    assert cost("openai", model, at, *observed.rows) == Decimal(usd)
