"""The most a call can cost, told before it is sent."""

from datetime import datetime
from decimal import Decimal

from evaluators.pricing.book import PriceBook, tier_name, to_dollars
from evaluators.pricing.rows import STANDARD, Unpriced
from evaluators.pricing.timeline import Plan, microseconds
from evaluators.usage import BUCKETS
from ingest.limits.estimate import Estimate

_AT = {name: place for place, name in enumerate(BUCKETS)}


def ceiling_usd(
    body: bytes, *, expected: Estimate, provider: str, model: str, at: datetime, book: PriceBook
) -> Decimal | None:
    """USD of all tokens of the estimate at the dearest rates the request can meet; None without a price.

    Cache writes count where the request speaks of them, audio and the fast tier likewise; images always, for
    whoever can read or write them may do so without a word of it in the request. A provider may
    serve a request at the ordinary tier whatever it asks for. A price window that begins while the call runs
    is not foreseen.
    """
    asked = tier_name(expected.service_tier)
    others = {STANDARD, *(("fast",) if b'"fast"' in body else ())} - {asked}
    plans = [
        book.timeline(provider, model, service_tier=tier).plan(microseconds(at), expected.input_tokens)
        for tier in (asked, *others)
    ]
    if isinstance(plans[0], Unpriced):
        return None
    found = [_at_most(body, expected, plan) for plan in plans if isinstance(plan, Plan)]
    return None if found[0] is None else max(usd for usd in found if usd is not None)


def _at_most(body: bytes, expected: Estimate, plan: Plan) -> Decimal | None:
    inputs, outputs = ["input_uncached", "input_image"], ["output_text", "reasoning", "output_image"]
    if b"cache" in body:
        inputs += ["cache_write", "cache_write_1h"]
    if b"audio" in body:
        inputs.append("input_audio")
        outputs.append("output_audio")
    tokens_in, tokens_out = expected.input_tokens, expected.output_tokens
    dearest_in, dearest_out = _dearest(plan, inputs), _dearest(plan, outputs)
    if dearest_in is None or (dearest_out is None and tokens_out):
        return None
    return to_dollars(tokens_in * dearest_in + tokens_out * (dearest_out or 0))


def _dearest(plan: Plan, buckets: list[str]) -> int | None:
    """10^-18 USD a token; None where the first bucket, which every call has, has no price."""
    rates = [plan.rates[_AT[name]] for name in buckets]
    return None if rates[0] is None else max(rate.atto for rate in rates if rate is not None)
