"""The most a call can cost."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from evaluators.pricing.book import PriceBook
from evaluators.pricing.rows import PriceRow
from ingest.limits.ceiling import ceiling_usd
from ingest.limits.estimate import Estimate

AT = datetime(2026, 11, 3, tzinfo=UTC)
RATES = {
    "input_uncached": 1,
    "cache_write": 2,
    "input_audio": 7,
    "output_text": 3,
    "reasoning": 5,
    "output_audio": 9,
}
BOOK = PriceBook(
    PriceRow(
        model="m",
        provider=None,
        bucket=bucket,
        usd_per_million=rate * factor,
        min_input_tokens=floor,
        service_tier=tier,
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
        recorded_at=datetime(2020, 1, 1, tzinfo=UTC),
        source="test",
    )
    for bucket, base in RATES.items()
    for floor, rate in ((0, base), (200_000, base * 10))
    for tier, factor in (("standard", Decimal(1)), ("flex", Decimal("0.5")), ("fast", Decimal(6)))
)


def ceiling(
    body: bytes,
    *,
    tokens_in: int = 1000,
    tokens_out: int = 100,
    model: str = "m",
    tier: str | None = None,
) -> Decimal | None:
    expected = Estimate(input_tokens=tokens_in, output_tokens=tokens_out, likely_tokens=0, service_tier=tier)
    found = ceiling_usd(body, expected=expected, provider="openai", model=model, at=AT, book=BOOK)
    return None if found is None else found * 10**6


@pytest.mark.parametrize(
    ("body", "usd_per_million"),
    [
        (b"{}", 1000 * 1 + 100 * 5),
        (b'{"cache_control": {}}', 1000 * 2 + 100 * 5),
        (b'{"modalities": ["text", "audio"]}', 1000 * 7 + 100 * 9),
    ],
)
def test_a_call_is_reserved_at_the_dearest_rates_it_can_meet(body: bytes, usd_per_million: int) -> None:
    assert ceiling(body) == usd_per_million


def test_a_large_request_is_reserved_at_the_tier_of_large_ones() -> None:
    assert ceiling(b"{}", tokens_in=300_000) == 300_000 * 10 + 100 * 50


def test_a_cheap_tier_is_reserved_at_the_ordinary_one_that_may_serve_it() -> None:
    assert ceiling(b"{}", tier="flex") == ceiling(b"{}") == 1000 + 100 * 5
    assert ceiling(b"{}", tier="fast") == ceiling(b'{"speed": "fast"}') == 6 * (1000 + 100 * 5)
    assert ceiling(b"{}", tier="priority") is None


def test_images_are_reserved_whatever_the_request_says() -> None:
    first = datetime(2020, 1, 1, tzinfo=UTC)
    prices = {"input_uncached": 5, "input_image": 8, "output_text": 10, "output_image": 32}
    book = PriceBook(
        PriceRow(
            model="gpt-image-1.5",
            provider="openai",
            bucket=bucket,
            usd_per_million=Decimal(usd),
            valid_from=first,
            recorded_at=first,
            source="test",
        )
        for bucket, usd in prices.items()
    )
    expected = Estimate(input_tokens=1000, output_tokens=100, likely_tokens=0)
    found = ceiling_usd(
        b'{"prompt": "a cat"}', expected=expected, provider="openai", model="gpt-image-1.5", at=AT, book=book
    )
    assert found == Decimal(1000 * 8 + 100 * 32) / 10**6


def test_a_model_nobody_prices_has_no_ceiling() -> None:
    assert ceiling(b"{}", model="unheard-of") is None
