"""The row of the price book, and what a call's price may turn out to be."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal

from evaluators.usage import BUCKETS, Buckets

Match = Literal["exact", "prefix"]

ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""`valid_from` of a price whose start the source does not state."""

STANDARD: Final = "standard"
HOUR: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
SERVICE_TIER: Final = re.compile(f"[a-z0-9_.-]+(?:@{HOUR}-{HOUR})?")
MAX_USD_PER_MILLION: Final = Decimal(10_000)
PRICE_PLACES: Final = 12
"""Decimal places of `usd_per_million`: with 6 for the million, amounts are whole numbers of 10^-18 USD."""

FINEST: Final = Decimal(1).scaleb(-PRICE_PLACES)

GENAI_SOURCE: Final = "genai-prices"
CURATED_SOURCE: Final = "curated history"
OBSERVED_SOURCE: Final = "observed"
LAST_SEEN_SOURCE: Final = "last observed"
AUTHORITIES: Final = (
    (LAST_SEEN_SOURCE, 0),
    (GENAI_SOURCE, 1),
    (OBSERVED_SOURCE, 2),
    (CURATED_SOURCE, 3),
)
STATED: Final = 4
NOT_STATED: Final = tuple(source for source, _ in AUTHORITIES)
"""How the sources of rows begin that no user stated; a file's own `source` may not begin so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """One price: USD per million tokens of one bucket, as known from `recorded_at` to `superseded_at`.

    It holds for calls with `valid_from <= started_at < valid_to`. `provider` None means any. With
    `min_input_tokens` above 0 it holds for a whole request with more input tokens than that. `service_tier`
    is `standard`, `batch`, `flex`, `priority` …; a suffix such as `@00:30-16:30` limits it to those UTC hours
    of a day. Mirrors `cost.prices`. Raises ValueError for a value no price may have.
    """

    id: int = 0
    provider: str | None
    model: str
    match: Match = "exact"
    bucket: str
    usd_per_million: Decimal
    min_input_tokens: int = 0
    service_tier: str = STANDARD
    currency: str = "USD"
    valid_from: datetime
    valid_to: datetime | None = None
    recorded_at: datetime
    superseded_at: datetime | None = None
    source: str
    price_version: int = 0

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise ValueError(problem)

    @property
    def authority(self) -> int:
        """Whose word the row is; the highest wins.

        4 stated by a user, 3 of the curated history, 2 of a table of observed prices, 1 copied from
        genai-prices, 0 the last that a table of observed prices saw, after its end.
        """
        return next((rank for source, rank in AUTHORITIES if self.source.startswith(source)), STATED)

    def _problem(self) -> str | None:
        times = (self.valid_from, self.valid_to, self.recorded_at, self.superseded_at)
        if any(time is not None and time.tzinfo is None for time in times):
            return "naive time"
        checks = {
            f"unknown bucket {self.bucket!r}": self.bucket not in BUCKETS,
            "no model": not self.model,
            f"currency {self.currency!r} is not USD": self.currency != "USD",
            "min_input_tokens is negative": self.min_input_tokens < 0,
            f"service tier {self.service_tier!r} is malformed": not SERVICE_TIER.fullmatch(self.service_tier),
            "valid_to is not after valid_from": self.valid_to is not None
            and self.valid_to <= self.valid_from,
        }
        return next(
            (problem for problem, holds in checks.items() if holds), price_problem(self.usd_per_million)
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call cost. `amount_usd` covers its tokens, exact, rounded half-even to 12 places.

    `price_row_ids` are the rows used, ascending; `price_version` is the newest version among the model's
    rows in force. `reported_usd` is the provider's own figure. `source` names where the prices come from.
    """

    buckets: Buckets
    amount_usd: Decimal
    price_version: int
    price_row_ids: tuple[int, ...]
    reported_usd: Decimal | None
    source: str


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Why a call has no price.

    `no_usage`, a reason of `Unbucketed`, `unknown_model`, `unpriced_date` (a model without a price at that
    time), `unpriced_service_tier:NAME`, `unpriced_bucket:NAME`, or `unpriced_fee:NAME`.
    """

    reason: str


def price_problem(price: Decimal) -> str | None:
    """Why no price per million tokens can be this, or None."""
    if not price.is_finite():
        return "price is not a finite number"
    if price < 0:
        return "price is negative"
    if price > MAX_USD_PER_MILLION:
        return f"price is above ${MAX_USD_PER_MILLION:,} per million tokens"
    # A comparison is exact; whatever rounds to 28 digits first would take 1E-1000030 for free.
    is_too_fine = price != price.quantize(FINEST)
    return f"price has more than {PRICE_PLACES} decimal places" if is_too_fine else None
