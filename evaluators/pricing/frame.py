"""Prices for a whole frame of calls: row for row the digits of `price()`, at frame speed.

Python reads each usage object once and finds its plan of rates; the money is multiplied in 128-bit columns.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec
import polars as pl

from evaluators.pricing.book import PriceBook, rounded, tier_name, unpriced_reason
from evaluators.pricing.rows import Unpriced
from evaluators.pricing.timeline import Plan, Timeline
from evaluators.usage import BUCKETS, Unbucketed, count_tokens, fee_of, reported_cost, service_tier_of
from evaluators.usage_shapes import Counts

USD: Final = pl.Decimal(38, 12)
KEYS: Final = ("call_id", "started_at", "attempt", "provider", "model")
CHARGES: Final[dict[str, pl.DataType]] = {
    "price_version": pl.Int64(),
    "price_row_ids": pl.List(pl.Int64()),
    **{bucket: pl.Int64() for bucket in BUCKETS},
    "amount_usd": USD,
    "unpriced_reason": pl.String(),
    "reported_usd": USD,
}
ATTO_PER_PICO: Final = 10**6
NO_PLAN: Final = -1
NO_COUNTS: Final = (None,) * len(BUCKETS)


def price_frame(frame: pl.DataFrame, *, book: PriceBook) -> pl.DataFrame:
    """The columns of `cost.charges` for each row, in the frame's order.

    In: call_id, started_at (aware), attempt, provider, model, endpoint, usage (JSON text or null),
    service_tier (null: the one in the usage object). Out: KEYS and CHARGES. Token columns are null where the
    usage has no buckets; `amount_usd` is null exactly where `unpriced_reason` is not.
    """
    read = _read(frame, book)
    flat = pl.Series(read.counts, dtype=pl.Int64)
    tokens = [flat.gather_every(len(BUCKETS), offset).alias(name) for offset, name in enumerate(BUCKETS)]
    plan = pl.Series("plan", read.plan_of, dtype=pl.Int64)
    charged = frame.select(KEYS).with_columns(
        *tokens,
        plan,
        _used(tokens),
        _dollars(tokens, plan, read.plans),
        pl.Series("unread", read.reasons, dtype=pl.String),
        pl.Series("reported_usd", read.reported, dtype=USD),
    )
    receipts = _receipts(charged.select("plan", "used").unique(), read.plans)
    is_priced = pl.col("unpriced_reason").is_null()
    return (
        charged.join(receipts, on=["plan", "used"], how="left", maintain_order="left")
        .with_columns(unpriced_reason=pl.coalesce("unread", "unpriced_reason"))
        .with_columns(
            amount_usd=pl.when(is_priced).then("amount_usd"),
            price_version=pl.when(is_priced).then("price_version"),
            price_row_ids=pl.when(is_priced).then("price_row_ids").otherwise(pl.lit([], pl.List(pl.Int64()))),
        )
        .select(*KEYS, *CHARGES)
    )


@dataclass(slots=True)
class _Read:
    """What was read row by row: eight counts a row, the number of its plan, or why it has none."""

    plans: list[Plan]
    counts: list[int | None] = field(default_factory=list)
    plan_of: list[int] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)
    reported: list[Decimal | None] = field(default_factory=list)


def _read(frame: pl.DataFrame, book: PriceBook) -> _Read:
    finder = _PlanFinder(book)
    read = _Read(finder.plans)
    decode = msgspec.json.Decoder().decode
    columns = (frame[name].to_list() for name in ("usage", "provider", "model", "endpoint", "service_tier"))
    times = frame["started_at"].dt.epoch("us").to_list()
    for text, provider, model, endpoint, tier, at_us in zip(*columns, times, strict=True):
        usage = _decoded(text, decode)
        counts = count_tokens(usage, provider=provider or "", endpoint=endpoint or "")
        if isinstance(counts, Unbucketed):
            number, reason, cells = NO_PLAN, unpriced_reason(counts), NO_COUNTS
        elif fee := fee_of(usage):
            number, reason, cells = NO_PLAN, f"unpriced_fee:{fee}", counts
        else:
            key = (provider or "", model or "", tier or service_tier_of(usage))
            (number, reason), cells = finder.find(key, at_us, counts), counts
        read.counts.extend(cells)
        read.plan_of.append(number)
        read.reasons.append(reason)
        read.reported.append(_reported(usage))
    return read


class _PlanFinder:
    """Numbers the plans as calls need them."""

    def __init__(self, book: PriceBook) -> None:
        self.plans: list[Plan] = []
        self._book = book
        self._numbers: dict[int, int] = {}
        self._timelines: dict[tuple[str, str, str | None], Timeline] = {}

    def find(self, key: tuple[str, str, str | None], at_us: int, counts: Counts) -> tuple[int, str | None]:
        """The number of the plan for (provider, model, service tier as reported), or NO_PLAN and why."""
        timeline = self._timelines.get(key)
        if timeline is None:
            provider, model, tier = key
            timeline = self._book.timeline(provider, model, service_tier=tier_name(tier))
            self._timelines[key] = timeline
        plan = timeline.plan(at_us, sum(counts[:5]))
        if isinstance(plan, Unpriced):
            return NO_PLAN, plan.reason
        number = self._numbers.setdefault(id(plan), len(self.plans))
        if number == len(self.plans):
            self.plans.append(plan)
        return number, None


def _decoded(text: str | None, decode: Any) -> object:
    """The usage object; text that is no JSON stands for itself, which is a malformed usage."""
    if text is None:
        return None
    try:
        return decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _reported(usage: object) -> Decimal | None:
    if not isinstance(usage, dict) or ("cost" not in usage and "cost_in_usd_ticks" not in usage):
        return None
    return rounded(reported_cost(usage))


def _used(tokens: list[pl.Series]) -> pl.Series:
    """One bit per bucket that has tokens: calls of one plan and one such set share their receipt."""
    bits = [(pl.col(name) > 0).fill_null(value=False) * 2**bit for bit, name in enumerate(BUCKETS)]
    return pl.DataFrame(tokens).select(used=pl.sum_horizontal(bits).cast(pl.Int64)).to_series()


def _dollars(tokens: list[pl.Series], plan: pl.Series, plans: list[Plan]) -> pl.Series:
    """Tokens times rates in 10^-18 USD, rounded half-even to 10^-12 USD, as decimal dollars."""
    attos = pl.zeros(len(plan), dtype=pl.Int128, eager=True)
    number = plan.set(plan == NO_PLAN, len(plans)).cast(pl.UInt32)
    for offset, series in enumerate(tokens):
        rates = [rate.atto if (rate := item.rates[offset]) else 0 for item in plans]
        rate = pl.Series([*rates, 0], dtype=pl.Int128).gather(number)
        attos = attos + series.fill_null(0).cast(pl.Int128) * rate
    pico, rest = pl.col("atto") // ATTO_PER_PICO, pl.col("atto") % ATTO_PER_PICO
    half = ATTO_PER_PICO // 2
    up = (rest > half) | ((rest == half) & (pico % 2 == 1))
    whole = (pico + up.cast(pl.Int128)).cast(pl.Decimal(38, 0))
    return (
        attos.to_frame("atto")
        .select(amount_usd=(whole * pl.lit(Decimal("1E-12"), USD)).cast(USD))
        .to_series()
    )


def _receipts(pairs: pl.DataFrame, plans: list[Plan]) -> pl.DataFrame:
    """For each (plan, set of used buckets): the version, the row ids, or which bucket has no price."""
    receipts = [
        (number, used, *_receipt(plans[number], used)) for number, used in pairs.rows() if number != NO_PLAN
    ]
    schema = {"plan": pl.Int64, "used": pl.Int64, "price_version": pl.Int64}
    schema |= {"price_row_ids": pl.List(pl.Int64), "unpriced_reason": pl.String}
    return pl.DataFrame(receipts, schema=schema, orient="row")


def _receipt(plan: Plan, used: int) -> tuple[int, list[int], str | None]:
    a, b, c, d, e, f, g, h = (used >> bit & 1 for bit in range(len(BUCKETS)))
    counts: Counts = (a, b, c, d, e, f, g, h)
    missing = plan.missing(counts)
    return plan.price_version, [row.id for row in plan.rows(counts)], missing.reason if missing else None
