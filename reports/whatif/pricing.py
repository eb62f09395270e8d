"""One group of recorded attempts under one candidate: the same plan of rates that charges are made with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from math import ceil

from evaluators.pricing.book import PriceBook, to_dollars
from evaluators.pricing.timeline import DAY_US, Plan, Rate, microseconds
from evaluators.usage import BUCKETS
from evaluators.usage_shapes import Counts
from reports.whatif.fine import ATTO_PER_PICO, Rates, fine_amount, is_fine, remainders
from reports.whatif.question import Candidate, Terms

INPUT = slice(0, BUCKETS.index("input_audio"))
OUTPUT = slice(BUCKETS.index("output_text"), BUCKETS.index("output_audio"))
CACHED = (1, 2, 3)
CACHE_READ, REASONING = BUCKETS.index("cache_read"), BUCKETS.index("reasoning")
NOT_CHARGED = "not_charged_yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Attempts that every candidate prices at one plan of rates: `n` of them.

    `counts` are their tokens added up; None where the usage has no buckets. Each of them has tokens in all
    buckets that have any. `at_us` and `input_tokens` are of any of them. `actual_usd` is what they were
    charged in all, None with `reason`. `rounded` is what they cost at remainders of rates, each rounded
    (reports.whatif.fine).
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
    rounded: Mapping[Rates, int]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a group would cost. `uncached_tokens` are cached ones that are read anew there, `foreign_tokens`
    those that another model counted. `fine` are the remainders of rates that its attempts were rounded at."""

    usd: Decimal
    price_version: int
    sources: frozenset[str]
    uncached_tokens: int
    foreign_tokens: int
    fine: Rates | None = None


@dataclass(frozen=True, slots=True)
class Lacking:
    """The group has to be read again, with `fine` among its `rounded`."""

    fine: Rates


def estimate(
    group: Group, *, candidate: Candidate, terms: Terms, book: PriceBook
) -> Estimate | Lacking | str:
    """What the group would cost, or why nobody can say.

    Exact: the sum of what `price()` says of each call, except under a ratio, where tokens are an estimate
    and the group is rounded once.
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
    assumed, n_uncached = _assumed(counts, plan=plan, terms=terms, is_own=is_own)
    if missing := plan.missing(assumed):
        return missing.reason
    fine: Rates | None = None
    if not is_same_model and (candidate.input_ratio, candidate.output_ratio) != (1, 1):
        usd = _scaled(plan, assumed, candidate=candidate)
    elif group.n == 1 or (rates := _fine_rates(plan, counts, terms=terms, is_own=is_own)) is None:
        usd = to_dollars(plan.amount(assumed))
    elif (fine := remainders(rates)) in group.rounded:
        usd = fine_amount(counts, rates, rounded=group.rounded[fine])
    else:
        return Lacking(fine)
    return Estimate(
        usd=usd,
        price_version=plan.price_version,
        sources=frozenset(row.source for row in plan.rows(assumed)),
        uncached_tokens=n_uncached,
        foreign_tokens=0 if is_same_model else sum(assumed),
        fine=fine,
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
    return _counts(tokens), n_uncached


def _counts(tokens: Iterable[int]) -> Counts:
    a, b, c, d, e, f, g, h, i, j = tokens
    return a, b, c, d, e, f, g, h, i, j


def _is_of_all_input(rate: Rate) -> bool:
    """Whether the library had no price of its own for this kind of token (evaluators.pricing.genai)."""
    return rate.row.source.endswith(" input_mtok")


def _fine_rates(plan: Plan, counts: Counts, *, terms: Terms, is_own: bool) -> Rates | None:
    """What a recorded token of each bucket costs under the terms; None where no attempt is ever rounded."""
    if all(rate is None or rate.atto % ATTO_PER_PICO == 0 for rate in plan.rates):
        return None
    one_of_each = (_counts(int(each == bucket) for each in BUCKETS) for bucket in BUCKETS)
    priced = (_assumed(one, plan=plan, terms=terms, is_own=is_own)[0] for one in one_of_each)
    rates = tuple(plan.amount(one) for one in priced)
    return rates if is_fine(rates, counts) else None


def _scaled(plan: Plan, counts: Counts, *, candidate: Candidate) -> Decimal:
    """Input and output text times their ratios; no tokenizer counts audio and images."""
    costs = [tokens * rate.atto if rate else 0 for tokens, rate in zip(counts, plan.rates, strict=True)]
    atto = sum(costs) - sum(costs[INPUT]) - sum(costs[OUTPUT])
    scaled = sum(costs[INPUT]) * candidate.input_ratio + sum(costs[OUTPUT]) * candidate.output_ratio
    return to_dollars(atto + round(scaled))
