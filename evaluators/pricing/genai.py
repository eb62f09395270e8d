"""The dated prices of a model from the `genai-prices` library, as rows for our own book.

The library forgets: it drops retired models and old prices. A copied row stays until a later version of the
library says another price for its time (`evaluators.pricing.renewal`). Nothing here touches the network:
only the data bundled with the installed version is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from evaluators.pricing.rows import ALWAYS, GENAI_SOURCE, PRICE_PLACES, STANDARD, PriceRow

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

PRICE_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "input_uncached": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "input_audio": ("input_audio_mtok", "input_mtok"),
    "input_image": ("input_image_mtok",),
    "output_text": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "output_audio": ("output_audio_mtok", "output_mtok"),
    "output_image": ("output_image_mtok",),
}
"""Where the library has no price of its own for a kind of token, its definition is the wider kind's price
(`genai_prices.decompose`); one-hour cache writes are left out, as the wider price is known to be too low.
Image input follows the price of input in the book itself, so that one of the user's own holds for it, too."""

COPY: Final = 2
"""Raised when copies come to hold more of what the library says (2: images), to renew the older ones."""

CONTEXTS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("batch", {"processing": "batch"}),
    ("flex", {"service_tier": "flex"}),
    ("priority", {"service_tier": "priority"}),
    ("fast", {"service_tier": "fast"}),
    ("fast", {"speed": "fast"}),
)
"""Our names of service tiers, and what the library calls them; `fast` is OpenAI's, or Anthropic's speed."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a model of the library is not copied: `unknown_model`, or a price that tokens alone do not tell."""

    reason: str


@cache
def library_version() -> str:
    """The installed library's version, as the second word of a copied row's `source` holds it.

    `+2` behind it is our COPY; a local version, so that it is newer than the same without.
    """
    return f"{version('genai-prices')}+{COPY}"


def snapshot_rows(provider: str, model: str, *, at: datetime) -> list[PriceRow] | Refused:
    """Rows (id 0, price_version 0) of one model as the installed library knows it, recorded at `at` (aware).

    Start dates become `valid_from` and `valid_to`; tiers become `min_input_tokens`; hours of the day become
    a `@HH:MM-HH:MM` suffix of `service_tier`; batch, flex, priority and fast prices become service tiers. The
    rows match `model` exactly as given. Refused: no such provider or model, a fee per request, no price per
    token, video input at another price than text.
    """
    info = _find(provider, model)
    if info is None:
        return Refused("unknown_model")
    offers = [(period, tier, prices) for period in _periods(info) for tier, prices in _tiers(info, period)]
    if problem := next(filter(None, (_problem(prices) for _, _, prices in offers)), None):
        return Refused(problem)
    source = f"{GENAI_SOURCE} {library_version()}"
    rows = [
        PriceRow(
            provider=provider,
            model=model,
            bucket=bucket,
            usd_per_million=usd,
            min_input_tokens=floor,
            service_tier=tier,
            valid_from=period.start,
            valid_to=period.end,
            recorded_at=at,
            source=f"{source} {key}",
        )
        for period, tier, prices in offers
        for bucket, key, floor, usd in _prices(prices)
    ]
    return _merged(rows) if rows else Refused("no_token_price")


@dataclass(frozen=True, slots=True)
class _Period:
    start: datetime
    end: datetime | None


def _find(provider: str, model: str) -> "ModelInfo | None":
    from genai_prices.data_snapshot import get_snapshot

    if "compatible" in provider.lower():  # a server of one's own, which the library would take for OpenAI
        return None
    try:
        return get_snapshot().find_provider_model(model, None, provider, None)[1]
    except LookupError:
        return None


def _periods(info: "ModelInfo") -> list[_Period]:
    """The stretches between the start dates of prices and of variants, from ALWAYS to open."""
    from genai_prices.types import StartDateConstraint

    conditions = [price.constraint for price in info.prices] if isinstance(info.prices, list) else []
    conditions += [variant.constraint for variant in info.price_variants or ()]
    starts = {c.start_date for c in conditions if isinstance(c, StartDateConstraint)}
    edges = [ALWAYS, *(datetime(day.year, day.month, day.day, tzinfo=UTC) for day in sorted(starts))]
    return [_Period(start, end) for start, end in zip(edges, [*edges[1:], None], strict=True)]


def _tiers(info: "ModelInfo", period: _Period) -> Iterator[tuple[str, "ModelPrice"]]:
    """Each service tier of a period with its prices; the library itself decides which prices hold."""
    for hours, at in _hours(info, period):
        standard = info.get_prices(at)
        yield STANDARD + hours, standard
        for tier, context in CONTEXTS:
            if _has_variant(info, context, at):
                yield tier + hours, info.get_prices(at, context)


def _hours(info: "ModelInfo", period: _Period) -> Iterator[tuple[str, datetime]]:
    """The hours between which prices change, as suffix and an instant inside; the whole day if none do."""
    from genai_prices.types import TimeOfDateConstraint

    conditions = [price.constraint for price in info.prices] if isinstance(info.prices, list) else []
    windows = [c for c in conditions if isinstance(c, TimeOfDateConstraint)]
    edges = sorted({(t.hour, t.minute) for c in windows for t in (c.start_time, c.end_time)})
    if not edges:
        yield "", period.start
    for (hour, minute), (end_hour, end_minute) in zip(edges, edges[1:] + edges[:1], strict=True):
        at = period.start + timedelta(hours=hour, minutes=minute)
        yield f"@{hour:02}:{minute:02}-{end_hour:02}:{end_minute:02}", at


def _has_variant(info: "ModelInfo", context: dict[str, str], at: datetime) -> bool:
    return any(
        variant.when == context and (variant.constraint is None or variant.constraint.active(at))
        for variant in info.price_variants or ()
    )


def _problem(prices: "ModelPrice") -> str | None:
    """A price that our buckets cannot express."""
    if prices.requests_kcount is not None:
        return "fee_per_request"
    video = prices.input_video_mtok
    return "video_price" if video is not None and video != prices.input_mtok else None


def _prices(prices: "ModelPrice") -> Iterator[tuple[str, str, int, Decimal]]:
    """(bucket, the library's key, min_input_tokens, USD per million) of every bucket that has a price."""
    for bucket, keys in PRICE_KEYS.items():
        wider = ("output_mtok",) if bucket == "output_image" and _writes_images(prices) else ()
        key = next((key for key in keys + wider if getattr(prices, key) is not None), None)
        if key is not None:
            for floor, usd in _steps(getattr(prices, key)):
                yield bucket, key, floor, usd


def _writes_images(prices: "ModelPrice") -> bool:
    """Whether the price of output is one of images: a model of the images API, that reads text and images.

    The library tells images read apart there, and no other output. Elsewhere the price of output is that of
    text, and images cost more.
    """
    reads = prices.input_image_mtok is not None and prices.cache_image_read_mtok is not None
    return reads and prices.input_audio_mtok is None


def _steps(value: "Decimal | TieredPrices") -> list[tuple[int, Decimal]]:
    """(min_input_tokens, price), without the last digits of prices that were once binary fractions."""
    tiers = [] if isinstance(value, Decimal) else [(tier.start, tier.price) for tier in value.tiers]
    base = value if isinstance(value, Decimal) else value.base
    return [
        (floor, usd if usd == round(usd, PRICE_PLACES) else round(usd, PRICE_PLACES))
        for floor, usd in [(0, base), *tiers]
    ]


def _merged(rows: list[PriceRow]) -> list[PriceRow]:
    """The rows, with adjacent periods of the same price as one."""
    latest: dict[object, PriceRow] = {}
    done: list[PriceRow] = []
    for row in rows:
        key = (row.bucket, row.min_input_tokens, row.service_tier)
        last = latest.get(key)
        if last is None:
            latest[key] = row
        elif (last.usd_per_million, last.source, last.valid_to) == (
            row.usd_per_million,
            row.source,
            row.valid_from,
        ):
            latest[key] = replace(last, valid_to=row.valid_to)
        else:
            done.append(last)
            latest[key] = row
    return [*done, *latest.values()]
