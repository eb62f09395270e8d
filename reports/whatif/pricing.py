"""One group of recorded attempts under one candidate: the same plan of rates that charges are made with."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from math import ceil

from evaluators.pricing.book import PriceBook, to_dollars
from evaluators.pricing.timeline import DAY_US, Plan, Rate, microseconds
from evaluators.usage import BUCKETS
from evaluators.usage_shapes import Counts
from reports.whatif.question import Candidate, Terms

ATTO_PER_PICO = 10**6
INPUT = slice(0, BUCKETS.index("input_audio"))
OUTPUT = slice(BUCKETS.index("output_text"), BUCKETS.index("output_audio"))
CACHED = (1, 2, 3)
CACHE_READ, REASONING = BUCKETS.index("cache_read"), BUCKETS.index("reasoning")
NOT_CHARGED = "not_charged_yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Attempts that every candidate prices at one plan of rates: `n` of them.

    `counts` are their tokens added up, or, with `is_each`, those of every single one; None where the usage
    has no buckets. `at_us` and `input_tokens` are of any of them. `actual_usd` is what they were charged in
    all, None with `reason`.
    """

    names: tuple[str, ...]
    provider: str
    model: str
    tier: str
    reason: str | None
    at_us: int
    input_tokens: int
    n: int
    counts: Counts | None
    actual_usd: Decimal | None
    is_each: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a group would cost. `uncached_tokens` are cached ones that are read anew there, `foreign_tokens`
    those that another model counted."""

    usd: Decimal
    price_version: int
    sources: frozenset[str]
    uncached_tokens: int
    foreign_tokens: int


class FinePriceError(Exception):
    """Amounts of single calls have to be rounded here, so their sum is not that of the tokens."""


def estimate(group: Group, *, candidate: Candidate, terms: Terms, book: PriceBook) -> Estimate | str:
    """What the group would cost, or why nobody can say.

    Exact: the sum of what `price()` says of each call, except under a ratio, where tokens are an estimate
    and the group is rounded once. Raises FinePriceError where that needs single calls and `counts` are sums.
    """
    counts = group.counts
    if counts is None or (group.reason or "").startswith("unpriced_fee:"):
        return group.reason or NOT_CHARGED
    provider = group.provider if candidate.provider is None else candidate.provider
    model = group.model if candidate.model is None else candidate.model
    is_same_model = model == group.model
    is_own = is_same_model and provider in ("", group.provider)
    ratio = Fraction(1) if is_same_model else candidate.input_ratio
    n_input = ceil(group.input_tokens * ratio)
    timeline = book.timeline(provider, model, service_tier=candidate.tier or group.tier)
    plan = timeline.plan(_moment(group.at_us, terms.prices_at), n_input)
    if not isinstance(plan, Plan):
        return plan.reason
    if not (is_same_model or terms.any_length) and n_input > (candidate.context_window or n_input):
        return f"over_context_window:{candidate.context_window}"
    counts, n_uncached = _assumed(counts, plan=plan, terms=terms, is_own=is_own)
    if missing := plan.missing(counts):
        return missing.reason
    n = group.n if group.is_each else 1
    is_scaled = not is_same_model and (candidate.input_ratio, candidate.output_ratio) != (1, 1)
    return Estimate(
        usd=_scaled(plan, counts, candidate=candidate) * n
        if is_scaled
        else _exact(plan, counts, is_one=group.is_each or group.n == 1) * n,
        price_version=plan.price_version,
        sources=frozenset(row.source for row in plan.rows(counts)),
        uncached_tokens=n_uncached * n,
        foreign_tokens=0 if is_same_model else sum(counts) * n,
    )


def _moment(at_us: int, prices_at: date | None) -> int:
    if prices_at is None:
        return at_us
    return microseconds(datetime.combine(prices_at, time(), tzinfo=UTC)) + at_us % DAY_US


def _assumed(counts: Counts, *, plan: Plan, terms: Terms, is_own: bool) -> tuple[Counts, int]:
    """The tokens under the terms, and how many cached ones of them are read at the price of all input.

    A candidate without a price for a cache has none: what was cached is read anew there. The recorded model
    itself stays unpriced then, as its charges are.
    """
    tokens = list(counts)
    n_uncached = 0
    for bucket in CACHED:
        rate = plan.rates[bucket]
        if not terms.is_cached or (rate is None and not is_own):
            n_uncached += tokens[bucket]
            tokens[0] += tokens[bucket]
            tokens[bucket] = 0
        elif bucket == CACHE_READ and rate is not None and not is_own and _is_of_all_input(rate):
            n_uncached += tokens[bucket]
    if not terms.is_reasoning:
        tokens[REASONING] = 0
    a, b, c, d, e, f, g, h, i, j = tokens
    return (a, b, c, d, e, f, g, h, i, j), n_uncached


def _is_of_all_input(rate: Rate) -> bool:
    """Whether the library had no price of its own for this kind of token (evaluators.pricing.genai)."""
    return rate.row.source.endswith(" input_mtok")


def _exact(plan: Plan, counts: Counts, *, is_one: bool) -> Decimal:
    if not is_one and any(
        rate.atto % ATTO_PER_PICO for tokens, rate in zip(counts, plan.rates, strict=True) if tokens and rate
    ):
        raise FinePriceError
    return to_dollars(plan.amount(counts))


def _scaled(plan: Plan, counts: Counts, *, candidate: Candidate) -> Decimal:
    """Input and output text times their ratios; no tokenizer counts audio and images."""
    costs = [tokens * rate.atto if rate else 0 for tokens, rate in zip(counts, plan.rates, strict=True)]
    atto = sum(costs) - sum(costs[INPUT]) - sum(costs[OUTPUT])
    scaled = sum(costs[INPUT]) * candidate.input_ratio + sum(costs[OUTPUT]) * candidate.output_ratio
    return to_dollars(atto + round(scaled))
