"""The rows of one model and service tier laid out in time: which rates hold at an instant."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from evaluators.pricing.rows import PRICE_PLACES, PriceRow, Unpriced
from evaluators.usage import BUCKETS
from evaluators.usage_shapes import Counts

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
DAY_US: Final = 86_400_000_000

Rank = tuple[int, bool, bool, int, bool, int, datetime, datetime, int]


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one bucket: `atto` is 10^-18 USD a token, `row` the row it comes from."""

    atto: int
    row: PriceRow


@dataclass(frozen=True, slots=True)
class Plan:
    """The rates in force, by bucket in the order of BUCKETS (None: no price), and their newest version."""

    rates: tuple[Rate | None, ...]
    price_version: int

    def missing(self, counts: Counts) -> Unpriced | None:
        """The first bucket that has tokens and no price."""
        for name, tokens, rate in zip(BUCKETS, counts, self.rates, strict=True):
            if tokens and rate is None:
                return Unpriced(f"unpriced_bucket:{name}")
        return None

    def amount(self, counts: Counts) -> int:
        """What the tokens cost, in 10^-18 USD."""
        return sum(tokens * rate.atto for tokens, rate in zip(counts, self.rates, strict=True) if rate)

    def rows(self, counts: Counts) -> list[PriceRow]:
        """The rows behind the buckets that have tokens, by id."""
        rows = {
            rate.row.id: rate.row for tokens, rate in zip(counts, self.rates, strict=True) if tokens and rate
        }
        return [rows[key] for key in sorted(rows)]


class Timeline:
    """Plans of one (provider, model, service tier), remembered per interval, hours and input tier.

    One plan holds from each of `breaks` (microseconds since 1970) and `day_breaks` (of a UTC day) to the
    next, the end excluded, and above each of `thresholds` (input tokens) up to the next, the end included.
    """

    def __init__(self, rows: Sequence[PriceRow], *, provider: str, tier: str) -> None:
        self._model_is_known = bool(rows)
        self._entries = [entry for row in rows if (entry := _entry(row)).tier == tier]
        self._tier = tier
        self._writes_cost_more = (
            any("claude" in row.model.lower() for row in rows) or "anthropic" in provider.lower()
        )
        self.breaks = _sorted_set(
            edge for e in self._entries for edge in (e.from_us, e.to_us) if edge is not None
        )
        self.day_breaks = _sorted_set(edge for e in self._entries for edge in e.window or ())
        self.thresholds = _sorted_set(e.row.min_input_tokens for e in self._entries)
        self._plans: dict[tuple[int, int, int], Plan | Unpriced] = {}

    def plan(self, at_us: int, input_tokens: int) -> Plan | Unpriced:
        key = (
            bisect_right(self.breaks, at_us),
            bisect_right(self.day_breaks, at_us % DAY_US),
            bisect_left(self.thresholds, input_tokens),
        )
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._resolve(at_us, input_tokens)
        return plan

    def _resolve(self, at_us: int, input_tokens: int) -> Plan | Unpriced:
        if not self._entries:
            return Unpriced(
                f"unpriced_service_tier:{self._tier}" if self._model_is_known else "unknown_model"
            )
        holding = [entry for entry in self._entries if entry.holds(at_us, input_tokens)]
        if not holding:
            return Unpriced("unpriced_date")
        best: dict[str, _Entry] = {}
        for entry in holding:
            rival = best.get(entry.row.bucket)
            if rival is None or entry.rank > rival.rank:
                best[entry.row.bucket] = entry
        rates = {bucket: _rate(entry.row) for bucket, entry in best.items()}
        for bucket, source, factor in self._fallbacks():
            if bucket not in rates and source in rates:
                rates[bucket] = _rate(rates[source].row, factor=factor)
        version = max(rate.row.price_version for rate in rates.values())
        return Plan(tuple(rates.get(bucket) for bucket in BUCKETS), version)

    def _fallbacks(self) -> tuple[tuple[str, str, Decimal], ...]:
        return FALLBACKS + (CLAUDE_FALLBACKS if self._writes_cost_more else ())


FALLBACKS: Final = (
    ("reasoning", "output_text", Decimal(1)),
    ("input_image", "input_uncached", Decimal(1)),
)
"""OpenAI (reasoning), Google (thinking) and Anthropic (extended thinking) document it as billed as output,
and images as billed as any input where they have no price of their own. Image output has no such rule: models
that write both ask three to twenty times as much for images as for text."""

CLAUDE_FALLBACKS: Final = (
    ("cache_write", "input_uncached", Decimal("1.25")),
    ("cache_write_1h", "input_uncached", Decimal(2)),
)
"""Anthropic, prompt caching: writes for five minutes cost 1.25 times, for one hour twice the input price."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row with its times as integers, its hour window, and its place in the order of precedence."""

    row: PriceRow
    tier: str
    window: tuple[int, int] | None
    from_us: int
    to_us: int | None
    rank: Rank

    def holds(self, at_us: int, input_tokens: int) -> bool:
        in_range = self.from_us <= at_us and (self.to_us is None or at_us < self.to_us)
        floor = self.row.min_input_tokens
        return in_range and (floor == 0 or input_tokens > floor) and self._in_window(at_us % DAY_US)

    def _in_window(self, day_us: int) -> bool:
        if self.window is None:
            return True
        start, end = self.window
        return start <= day_us < end if start <= end else day_us >= start or day_us < end


def microseconds(at: datetime) -> int:
    """An aware time as microseconds since 1970 UTC."""
    return (at - EPOCH) // MICROSECOND


def _entry(row: PriceRow) -> _Entry:
    tier, _, hours = row.service_tier.partition("@")
    rank = (
        row.authority,
        row.provider is not None,
        row.match == "exact",
        len(row.model),
        bool(hours),
        row.min_input_tokens,
        row.recorded_at,
        row.valid_from,
        row.id,
    )
    to_us = None if row.valid_to is None else microseconds(row.valid_to)
    return _Entry(row, tier, _window(hours), microseconds(row.valid_from), to_us, rank)


def _window(hours: str) -> tuple[int, int] | None:
    if not hours:
        return None
    start, end = (time.fromisoformat(part) for part in hours.split("-"))
    return (start.hour * 60 + start.minute) * 60_000_000, (end.hour * 60 + end.minute) * 60_000_000


def _rate(row: PriceRow, *, factor: Decimal = Decimal(1)) -> Rate:
    atto = (row.usd_per_million * factor).scaleb(PRICE_PLACES)
    return Rate(int(atto.to_integral_value(rounding=ROUND_HALF_EVEN)), row)


def _sorted_set(values: Iterable[int]) -> list[int]:
    return sorted(set(values))
