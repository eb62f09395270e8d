"""The dated price book: which price held for a call, by when it was made and by when we knew.

At a call time and a knowledge time exactly one row wins for each (provider, model, bucket, service tier):
a user's row before the curated history, that before a table of observed prices, and that before a
genai-prices snapshot; a row that names the provider before one for any; an exact model before a prefix, a
longer prefix before a shorter; an hour window before the whole day; the highest input tier that applies; the
latest `recorded_at`, then the latest `valid_from`, then the highest id.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any, Final

from evaluators.pricing.rows import STANDARD, Charge, PriceRow, Unpriced
from evaluators.pricing.timeline import Plan, Timeline, microseconds
from evaluators.usage import (
    N_INPUT,
    Buckets,
    Unbucketed,
    count_tokens,
    fee_of,
    reported_cost,
    service_tier_of,
)

PLACES: Final = Decimal(1).scaleb(-12)
MAX_AMOUNT: Final = Decimal(10) ** 12
"""USD that anybody can report for a call: more digits would not fit their column."""
BATCH: Final = "batch"
ALSO_STANDARD: Final = frozenset({"", "auto", "default", "on_demand", "provisioned", "unspecified", STANDARD})
"""`provisioned` is OpenRouter's word for its own capacity upstream, billed as usual in all recorded calls."""

LONGEST_TIER: Final = 40
NOT_PLAIN: Final = re.compile(r"[^a-z0-9_.-]+")


class PriceBook:
    """Price rows by call time; `known_at` replays what was known then (None: what is known now).

    Plans are remembered, so that a million calls cost as many look-ups as there are validity intervals.
    `version` is the newest price version in it.
    """

    def __init__(self, rows: Iterable[PriceRow], *, known_at: datetime | None = None) -> None:
        known = [row for row in rows if _is_known(row, known_at)]
        self.version = max((row.price_version for row in known), default=0)
        self._prefixes = [row for row in known if row.match == "prefix"]
        self._exact: dict[str, list[PriceRow]] = {}
        for row in known:
            if row.match == "exact":
                self._exact.setdefault(row.model, []).append(row)
        self._timelines: dict[tuple[str, str, str], Timeline] = {}

    def knows(self, provider: str, model: str) -> bool:
        """Whether any row, of any time and tier, is about this model: then there is nothing to snapshot."""
        return bool(self._rows(provider, model))

    def timeline(self, provider: str, model: str, *, service_tier: str) -> Timeline:
        """The rates of a model at one service tier (our name of it, see `tier_name`) over time."""
        key = (provider, model, service_tier)
        found = self._timelines.get(key)
        if found is None:
            rows = self._rows(provider, model)
            found = self._timelines[key] = Timeline(rows, provider=provider, tier=service_tier)
        return found

    def _rows(self, provider: str, model: str) -> list[PriceRow]:
        prefixed = [row for row in self._prefixes if model.startswith(row.model)]
        return [row for row in self._exact.get(model, []) + prefixed if row.provider in (None, provider)]


def price(
    usage: Mapping[str, Any] | None,
    *,
    provider: str,
    model: str,
    at: datetime,
    book: PriceBook,
    endpoint: str = "",
    service_tier: str | None = None,
) -> Charge | Unpriced:
    """What a call cost at the prices in force at `at` (aware), or why nobody can say; never 0 for unknown.

    No tokens of a model that has a price cost 0. `service_tier` is what is said of it
    beside the usage object.
    """
    counts = count_tokens(usage, provider=provider, endpoint=endpoint)
    if isinstance(counts, Unbucketed):
        return Unpriced(unpriced_reason(counts))
    if fee := fee_of(usage):
        return Unpriced(f"unpriced_fee:{fee}")
    tier = call_tier(usage, stated=service_tier)
    timeline = book.timeline(provider, model, service_tier=tier)
    plan = timeline.plan(microseconds(at), sum(counts[:N_INPUT]))
    if not isinstance(plan, Plan):
        return plan
    if missing := plan.missing(counts):
        return missing
    rows = plan.rows(counts)
    return Charge(
        buckets=Buckets(*counts),
        amount_usd=to_dollars(plan.amount(counts)),
        price_version=plan.price_version,
        price_row_ids=tuple(row.id for row in rows),
        reported_usd=rounded(reported_cost(usage)),
        source="; ".join(sorted({row.source for row in rows})),
    )


def unpriced_reason(unbucketed: Unbucketed) -> str:
    return "no_usage" if unbucketed.reason == "missing_usage" else unbucketed.reason


def call_tier(usage: object, *, stated: str | None = None) -> str:
    """The service tier a call is priced at, by our name.

    The usage object's word stands before what is `stated` beside it (by the answer, or by whoever handed the
    call in), but for a batch: that is another API, whose answers say that they were processed as usual.
    """
    said, beside = service_tier_of(usage), tier_name(stated)
    if beside != BATCH:
        return beside if said is None else tier_name(said)
    name = tier_name(said)
    return BATCH if name == STANDARD else name if name.startswith(BATCH) else f"{BATCH}-{name}"


def tier_name(tier: str | None) -> str:
    """Our name of a provider's service tier; what providers call the ordinary one is `standard`.

    It becomes part of a reason, so that whatever a provider or client says is cut to a short plain name.
    """
    return STANDARD if tier is None else _plain_tier(tier[:LONGEST_TIER])


@lru_cache(maxsize=1_000)
def _plain_tier(tier: str) -> str:
    name = tier.strip().lower().removeprefix("service_tier_")
    return STANDARD if name in ALSO_STANDARD else NOT_PLAIN.sub("_", name)


def to_dollars(atto: int) -> Decimal:
    """10^-18 USD as USD with 12 places, half-even (exact: the largest amount has 27 digits)."""
    return Decimal(atto).scaleb(-18).quantize(PLACES, rounding=ROUND_HALF_EVEN)


def rounded(amount: Decimal | None) -> Decimal | None:
    """An amount in USD at 12 places, half-even, and at most MAX_AMOUNT: a placeholder must not vanish, or no
    check would see it."""
    return None if amount is None else min(amount, MAX_AMOUNT).quantize(PLACES, rounding=ROUND_HALF_EVEN)


def _is_known(row: PriceRow, known_at: datetime | None) -> bool:
    if known_at is None:
        return row.superseded_at is None
    return row.recorded_at <= known_at and (row.superseded_at is None or row.superseded_at > known_at)
