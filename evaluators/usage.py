"""Exclusive token buckets from a provider's own usage object.

Providers count alike-named fields differently: OpenAI's `prompt_tokens` includes cached tokens, Anthropic's
`input_tokens` does not; Gemini's thoughts stand beside its candidates, OpenAI's reasoning inside its
completion. The shape is read from the object's own field names first; `provider` and `endpoint` only decide
what the object leaves open. What does not add up is `Unbucketed` with a reason, never a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from evaluators.usage_fields import Reason, UsageError
from evaluators.usage_shapes import Counts, find_shape

BUCKETS: Final = (
    "input_uncached",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output_text",
    "reasoning",
    "output_audio",
    "output_image",
)
INPUT_BUCKETS: Final = BUCKETS[:6]
N_INPUT: Final = len(INPUT_BUCKETS)
XAI_TICKS_PER_USD: Final = 10**10
TRAFFIC: Final = {
    "ON_DEMAND": "standard",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority",
    "TRAFFIC_TYPE_UNSPECIFIED": "standard",
}
"""Vertex's names of its tiers; provisioned throughput is not billed by tokens and stays without a price."""

ORDINARY: Final = frozenset({"", "standard", "global", "not_available"})
"""Anthropic: a speed or geography that costs no more."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Token counts that never overlap: their sum is what the provider counted for the call.

    `input_uncached` holds text, video and document input and what no provider itemises; `cache_write` the
    default (five-minute) cache writes; `output_text` all output that is neither reasoning, audio nor image.
    """

    input_uncached: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    output_text: int = 0
    reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0

    @property
    def counts(self) -> Counts:
        """The counts in the order of `BUCKETS`."""
        return (
            self.input_uncached,
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.input_audio,
            self.input_image,
            self.output_text,
            self.reasoning,
            self.output_audio,
            self.output_image,
        )

    @property
    def input_total(self) -> int:
        """All input tokens, cached ones too: what price tiers are decided by."""
        return sum(self.counts[:N_INPUT])

    @property
    def output_total(self) -> int:
        return sum(self.counts[N_INPUT:])


@dataclass(frozen=True, slots=True)
class Unbucketed:
    """Why a usage object has no buckets; `detail` names the field or the sum that is wrong."""

    reason: Reason
    detail: str


def bucket_usage(
    usage: Mapping[str, Any] | None, *, provider: str = "", endpoint: str = ""
) -> Buckets | Unbucketed:
    """Exclusive buckets of one call's usage object; never raises, whatever the object holds."""
    counts = count_tokens(usage, provider=provider, endpoint=endpoint)
    return counts if isinstance(counts, Unbucketed) else Buckets(*counts)


def count_tokens(usage: object, *, provider: str = "", endpoint: str = "") -> Counts | Unbucketed:
    """The counts of `bucket_usage` as a bare tuple in the order of `BUCKETS`: frames need the speed."""
    if usage is None:
        return Unbucketed("missing_usage", "the provider reported no usage")
    if type(usage) is not dict and not isinstance(usage, Mapping):
        return Unbucketed("malformed_usage", f"usage is a {type(usage).__name__}, not an object")
    if not usage:
        return Unbucketed("missing_usage", "the usage object is empty")
    try:
        counts = find_shape(usage, endpoint)(usage, provider, endpoint)
    except UsageError as error:
        return Unbucketed(error.reason, error.detail)
    for name, tokens in zip(BUCKETS, counts, strict=True):
        if tokens < 0:
            return Unbucketed("inconsistent_usage", f"parts exceed their total: {name} would be {tokens}")
    return counts


def reported_cost(usage: object) -> Decimal | None:
    """What the provider itself says the call cost, in USD, or None.

    OpenRouter: `cost` (its credits are USD), plus `cost_details.upstream_inference_cost` for a call under the
    customer's own key, where `cost` is only the fee. Perplexity: `cost.total_cost`. xAI:
    `cost_in_usd_ticks`, 10^10 ticks a dollar. A gateway's estimate is not a provider's word and not read.
    """
    if not isinstance(usage, Mapping):
        return None
    if "cost_in_usd_ticks" in usage:
        ticks = _amount(usage["cost_in_usd_ticks"])
        return None if ticks is None else ticks / XAI_TICKS_PER_USD
    cost = usage.get("cost")
    if isinstance(cost, Mapping):
        return _amount(cost.get("total_cost"))
    fee = _amount(cost)
    if fee is None or usage.get("is_byok") is not True:
        return fee
    details = usage.get("cost_details")
    upstream = _amount(details.get("upstream_inference_cost")) if isinstance(details, Mapping) else None
    return None if upstream is None else fee + upstream


def service_tier_of(usage: object) -> str | None:
    """What the usage object says of the tier the call is priced at, or None.

    Anthropic `service_tier`, Gemini `serviceTier`, Vertex `trafficType`. Anthropic's fast mode (`speed`) and
    inference kept in one geography (`inference_geo`) have prices of their own and are named behind it:
    `fast`, `us`, `batch-us`.
    """
    if type(usage) is not dict and not isinstance(usage, Mapping):
        return None
    tier = usage.get("service_tier", usage.get("serviceTier"))
    if not isinstance(tier, str):
        traffic = usage.get("trafficType")
        tier = TRAFFIC.get(traffic, traffic) if isinstance(traffic, str) else None
    if "speed" not in usage and "inference_geo" not in usage:
        return tier
    speed, geo = usage.get("speed"), usage.get("inference_geo")
    extras = [name for name in (speed, geo) if isinstance(name, str) and name not in ORDINARY]
    if not extras:
        return tier
    return "-".join(extras if tier is None or tier in ORDINARY else [tier, *extras])


def fee_of(usage: object) -> str | None:
    """What the call used that is billed by the piece and not by tokens, or None.

    Web searches of Anthropic (`server_tool_use`), OpenRouter (`server_tool_use_details`), Perplexity
    (`num_search_queries`) and xAI (`num_sources_used`), and tool calls that OpenRouter, xAI or Bedrock ran.
    In recorded calls such a fee was 4 to 90 times the price of the tokens.
    """
    if not isinstance(usage, dict):
        return None
    if usage.get("num_search_queries") or usage.get("num_sources_used"):
        return "web_search"
    if usage.get("num_server_side_tools_used") or usage.get("serverToolUsage"):
        return "server_tool"
    for field in ("server_tool_use", "server_tool_use_details"):
        used = usage.get(field)
        if isinstance(used, dict):
            if used.get("web_search_requests"):
                return "web_search"
            if used.get("tool_calls_executed"):
                return "server_tool"
    return None


def _amount(value: object) -> Decimal | None:
    """A finite, non-negative number as Decimal; a float by its shortest digits."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return amount if amount.is_finite() and amount >= 0 else None
