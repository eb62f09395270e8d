"""What `/analytics/what-if` answers, and the rows that it reads."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from evaluators.pricing.rows import PriceRow
from reports.api.amounts import Amount
from reports.api.freshness import Freshness

Dimension = Literal["day", "month", "provider", "model", "tier", "project"]


class WhatIfRow(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate, and what the span's provider attempts would have cost with it.

    `actual_usd`, `whatif_usd`, and the saving are of the `n_compared` attempts that have a price both ways;
    `n_new` have one here alone, `n_not_priced` none here, for `not_priced_reasons`. `as_tier` null: each
    call's own. Dimensions that were not asked for are null. `foreign_tokens` were counted by another model,
    `uncached_tokens` are cached ones that are read anew there.
    """

    day: str | None = None
    month: str | None = None
    provider: str | None = None
    model: str | None = None
    tier: str | None = None
    project: str | None = None
    candidate: str
    as_tier: str | None
    n_attempts: int
    n_compared: int
    actual_usd: Amount | None
    whatif_usd: Amount | None
    saving_usd: Amount | None
    saving_percent: Amount | None
    n_new: int
    new_usd: Amount
    n_not_priced: int
    not_priced_actual_usd: Amount
    not_priced_reasons: dict[str, int]
    foreign_tokens: int
    uncached_tokens: int
    price_version: int | None


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `/analytics/what-if`; `notes` say what was assumed."""

    start: date
    end: date
    prices_at: date | None
    price_version: int
    n_attempts: int
    amount_usd: Amount
    unpriced_reasons: dict[str, int]
    notes: list[str]
    items: list[WhatIfRow]
    freshness: Freshness


class Count(msgspec.Struct, frozen=True):
    """How many attempts the days have."""

    n: int


class GroupRow(msgspec.Struct, frozen=True):
    """A row of `reports.whatif.query`."""

    names: list[str]
    provider: str | None
    model: str | None
    tier: str | None
    said: dict[str, Any] | None
    stated: str | None
    reason: str | None
    at_us: int
    input_tokens: int
    n: int
    rounded: list[int | None]
    input_uncached: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_1h: int | None
    input_audio: int | None
    input_image: int | None
    output_text: int | None
    reasoning: int | None
    output_audio: int | None
    output_image: int | None
    actual_usd: str | None


class HeldPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A current row of `cost.prices`."""

    id: int
    provider: str | None
    model: str
    match: Literal["exact", "prefix"]
    bucket: str
    usd_per_million: str
    min_input_tokens: int
    service_tier: str
    currency: str
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    superseded_at: datetime | None
    source: str
    price_version: int

    def row(self) -> PriceRow:
        """The row as the price book takes it."""
        given: dict[str, Any] = msgspec.structs.asdict(self)
        given["usd_per_million"] = Decimal(self.usd_per_million)
        return PriceRow(**given)
