"""Buckets: each provider's semantics, the sums they must keep, and what is refused."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluators.pricing.book import PriceBook, call_tier, price
from evaluators.pricing.curated import curated_rows
from evaluators.pricing.genai import snapshot_rows
from evaluators.pricing.rows import Charge
from evaluators.usage import (
    BUCKETS,
    Buckets,
    Unbucketed,
    bucket_usage,
    count_tokens,
    fee_of,
    reported_cost,
    service_tier_of,
)

GOLDEN = [
    json.loads(line) for line in (Path(__file__).parent / "golden_usage.jsonl").read_text().splitlines()
]
# Machines that test many things at once are slow at times; that is no failure of ours.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TOKENS = st.integers(min_value=0, max_value=10**6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({key for case in GOLDEN if isinstance(case["usage"], dict) for key in case["usage"]})
NESTED = sorted(
    {
        key
        for case in GOLDEN
        if isinstance(case["usage"], dict)
        for value in case["usage"].values()
        if isinstance(value, dict)
        for key in value
    }
)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_the_golden_usage_object_gives_its_buckets(case: dict[str, Any]) -> None:
    found = bucket_usage(case["usage"], provider=case["provider"], endpoint=case["endpoint"])
    if "reason" in case:
        assert isinstance(found, Unbucketed)
        assert (found.reason, bool(found.detail)) == (case["reason"], True)
    else:
        assert found == Buckets(**case["buckets"])


def counts_in(value: Any, *path: str | int) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Every whole number of an object and where it stands."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        if type(inner) is int:
            yield (*path, name), inner
        else:
            yield from counts_in(inner, *path, name)


def with_value(usage: Any, path: tuple[str | int, ...], value: object) -> Any:
    changed = deepcopy(usage)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return changed


PARTS_WITHOUT_A_PRICE = {
    *("accepted_prediction_tokens", "rejected_prediction_tokens", "tokenCount"),
    "video_tokens",  # of the input: at the price of text
    *("num_cached_tokens", "tokens", "cached_tokens_details"),  # a server's own counters
}
BUCKETED = [case for case in GOLDEN if "buckets" in case]


@pytest.mark.parametrize("case", BUCKETED, ids=lambda case: case["name"])
def test_no_count_of_any_provider_that_is_none_counts_as_0(case: dict[str, Any]) -> None:
    for path, _ in counts_in(case["usage"]):
        if PARTS_WITHOUT_A_PRICE.isdisjoint(path):
            for bad in (-1, 0.5, "7", True, 10**12, [1], {"n": 1}):
                usage = with_value(case["usage"], path, bad)
                found = bucket_usage(usage, provider=case["provider"], endpoint=case["endpoint"])
                assert isinstance(found, Unbucketed), (path, bad)


@pytest.mark.parametrize("case", BUCKETED, ids=lambda case: case["name"])
def test_a_total_that_is_one_off_is_refused_by_every_provider(case: dict[str, Any]) -> None:
    totals = {"total_tokens", "totalTokenCount", "totalTokens"} & case["usage"].keys()
    for name in totals - ({"total_tokens"} if len(case["usage"]) == 1 else set()):
        for off in (-1, 1):
            usage = {**case["usage"], name: case["usage"][name] + off}
            found = bucket_usage(usage, provider=case["provider"], endpoint=case["endpoint"])
            assert isinstance(found, Unbucketed), (name, off)


@pytest.mark.parametrize("case", BUCKETED, ids=lambda case: case["name"])
def test_the_buckets_add_up_to_what_the_provider_says_in_all(case: dict[str, Any]) -> None:
    usage = case["usage"]
    total = usage.get("total_tokens", usage.get("totalTokenCount", usage.get("totalTokens")))
    if total is not None:
        assert sum(case["buckets"].values()) == total


def test_golden_names_are_unique_and_many() -> None:
    assert len({case["name"] for case in GOLDEN}) == len(GOLDEN) >= 100


@RELAXED
@given(
    usage=st.dictionaries(
        st.sampled_from(FIELDS), JSON | TOKENS | st.dictionaries(st.sampled_from(NESTED), JSON | TOKENS)
    )
)
def test_no_object_raises_and_no_bucket_is_negative(usage: dict[str, Any]) -> None:
    found = bucket_usage(usage, provider="x-ai", endpoint="/v1/embeddings")
    assert isinstance(found, Unbucketed) or min(found.counts) >= 0


@RELAXED
@given(usage=JSON)
def test_no_json_value_raises(usage: Any) -> None:
    found = bucket_usage(usage)
    assert isinstance(found, Unbucketed)


@RELAXED
@given(cached=TOKENS, fresh=TOKENS, text=TOKENS, reasoning=TOKENS)
def test_chat_buckets_add_up_to_the_total(cached: int, fresh: int, text: int, reasoning: int) -> None:
    prompt, completion = cached + fresh, text + reasoning
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    assert bucket_usage(usage) == Buckets(
        input_uncached=fresh, cache_read=cached, output_text=text, reasoning=reasoning
    )


@RELAXED
@given(counts=st.tuples(TOKENS, TOKENS, TOKENS, TOKENS, TOKENS))
def test_anthropic_buckets_add_up_to_input_cache_and_output(counts: tuple[int, ...]) -> None:
    fresh, read, five, hour, out = counts
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "output_tokens": out,
    }
    found = bucket_usage(usage)
    assert isinstance(found, Buckets)
    assert (found.input_total, found.output_total) == (fresh + read + five + hour, out)


@RELAXED
@given(prompt=TOKENS, tools=TOKENS, candidates=TOKENS, thoughts=TOKENS, off=st.sampled_from([-1, 0, 1]))
def test_gemini_buckets_add_up_or_are_refused(
    prompt: int, tools: int, candidates: int, thoughts: int, off: int
) -> None:
    total = max(prompt + tools + candidates + thoughts + off, 0)
    usage = {
        "promptTokenCount": prompt,
        "toolUsePromptTokenCount": tools,
        "candidatesTokenCount": candidates,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": total,
    }
    found = bucket_usage(usage)
    if total != prompt + tools + candidates + thoughts:
        assert isinstance(found, Unbucketed)
        assert found.reason == "inconsistent_usage"
    else:
        assert isinstance(found, Buckets)
        assert sum(found.counts) == total


def test_the_bare_tuple_is_in_the_order_of_the_buckets() -> None:
    counts = count_tokens({"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 3})
    assert counts == Buckets(input_uncached=1, cache_read=2, output_text=3).counts
    assert tuple(Buckets.__dataclass_fields__) == BUCKETS


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"prompt_tokens": 1, "cost": 0.00012345}, Decimal("0.00012345")),
        ({"cost": 0}, Decimal(0)),
        (
            {"cost": 0.05, "is_byok": True, "cost_details": {"upstream_inference_cost": 1.1}},
            Decimal("1.15"),
        ),
        ({"cost": 0.05, "is_byok": True}, None),
        ({"cost": {"total_cost": 0.006, "input_tokens_cost": 0.001}}, Decimal("0.006")),
        ({"cost_in_usd_ticks": 232856000}, Decimal("0.0232856")),
        ({"pydantic_ai_gateway": {"cost_estimate": 0.1}}, None),
        ({"cost": "0.1"}, None),
        ({"cost": True}, None),
        ({"cost": -1}, None),
        ({"cost": float("nan")}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_provider_s_own_cost_is_read_or_nothing(usage: Any, cost: Decimal | None) -> None:
    assert reported_cost(usage) == cost


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"service_tier": "batch"}, "batch"),
        ({"serviceTier": "FLEX"}, "FLEX"),
        ({"service_tier": 3}, None),
        ({"trafficType": "ON_DEMAND"}, "standard"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "PROVISIONED_THROUGHPUT"),
        ({"trafficType": 1}, None),
        ({"service_tier": "standard", "inference_geo": "not_available", "speed": "standard"}, "standard"),
        ({"service_tier": "standard", "inference_geo": "us"}, "us"),
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"service_tier": "batch", "speed": "fast", "inference_geo": "us"}, "batch-fast-us"),
        ({"speed": ["fast"], "inference_geo": None}, None),
        (None, None),
        ("flex", None),
    ],
)
def test_the_service_tier_is_read_from_the_usage_object(usage: Any, tier: str | None) -> None:
    assert service_tier_of(usage) == tier


@pytest.mark.parametrize(
    ("usage", "stated", "tier"),
    [
        ({}, None, "standard"),
        ({}, "auto", "standard"),
        ({}, "on_demand", "standard"),
        ({}, "provisioned", "standard"),
        ({}, "SERVICE_TIER_FLEX", "flex"),
        ({"service_tier": "standard"}, "priority", "standard"),
        ({"service_tier": "priority"}, "default", "priority"),
        ({"service_tier": "default"}, "batch", "batch"),
        ({"service_tier": "batch"}, "BATCH", "batch"),
        ({"service_tier": "standard", "inference_geo": "us"}, "batch", "batch-us"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, None, "provisioned_throughput"),
        ({"service_tier": "x@00:00-23:59 \n'"}, None, "x_00_00-23_59_"),
        ({"service_tier": "y" * 10_000}, None, "y" * 40),
        (None, "flex", "flex"),
    ],
)
def test_the_provider_s_tier_stands_before_the_stated_one_but_for_a_batch(
    usage: Any, stated: str | None, tier: str
) -> None:
    assert call_tier(usage, stated=stated) == tier


@pytest.mark.parametrize(
    ("usage", "fee"),
    [
        ({"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}}, "web_search"),
        ({"server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 3}}, None),
        ({"server_tool_use_details": {"tool_calls_executed": 1}}, "server_tool"),
        ({"server_tool_use": None}, None),
        ({"server_tool_use": [1]}, None),
        ({"num_search_queries": 5}, "web_search"),
        ({"prompt_tokens": 5}, None),
        (None, None),
    ],
)
def test_what_is_billed_by_the_piece_is_seen(usage: Any, fee: str | None) -> None:
    assert fee_of(usage) == fee


PRICED = [(case, expected) for case in GOLDEN for expected in case.get("priced", ())]


@pytest.mark.parametrize(
    ("case", "expected"), PRICED, ids=lambda value: value.get("model") or value.get("name")
)
def test_the_golden_usage_object_costs_its_published_price(
    case: dict[str, Any], expected: dict[str, Any]
) -> None:
    copied = snapshot_rows(case["provider"], expected["model"], at=datetime(2026, 11, 1, tzinfo=UTC))
    assert isinstance(copied, list)
    found = price(
        case["usage"],
        provider=case["provider"],
        endpoint=case["endpoint"],
        model=expected["model"],
        at=datetime.fromisoformat(expected["at"]),
        book=PriceBook([*copied, *curated_rows()]),
        service_tier=expected.get("service_tier"),
    )
    assert isinstance(found, Charge), found
    assert found.amount_usd == Decimal(expected["usd"])
    parts = (
        Decimal(case["buckets"][name]) * Decimal(usd) for name, usd in expected["usd_per_million"].items()
    )
    assert found.amount_usd * 10**6 == sum(parts)
