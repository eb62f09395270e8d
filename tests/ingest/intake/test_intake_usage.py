"""Token counts of spans become exclusive buckets, or are refused."""

import json
from typing import Any

import pytest

from evaluators.usage import Buckets, Unbucketed, bucket_usage
from tests.ingest.intake.spans import CHAT, call_of

# The identities of each convention, with numbers from its own specification's examples.
USAGES: list[tuple[dict[str, Any], Buckets]] = [
    (
        {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 180},
        Buckets(input_uncached=100, output_text=180),
    ),
    (
        {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 180},
        Buckets(input_uncached=100, output_text=180),
    ),
    (
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 50,
            "gen_ai.usage.cache_creation.input_tokens": 25,
            "gen_ai.usage.output_tokens": 180,
            "gen_ai.usage.reasoning.output_tokens": 80,
        },
        Buckets(input_uncached=25, cache_read=50, cache_write=25, output_text=100, reasoning=80),
    ),
    (
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_write.input_tokens": 25,
            "gen_ai.usage.output_tokens": 10,
        },
        Buckets(input_uncached=75, cache_write=25, output_text=10),
    ),
    (
        {
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 20,
            "llm.token_count.total": 120,
            "llm.token_count.prompt_details.cache_read": 60,
            "llm.token_count.completion_details.reasoning": 5,
        },
        Buckets(input_uncached=40, cache_read=60, output_text=15, reasoning=5),
    ),
    (
        {
            "gen_ai.usage.prompt_tokens": 1030,
            "gen_ai.usage.completion_tokens": 20,
            "llm.usage.total_tokens": 1050,
            "gen_ai.usage.cache_read_input_tokens": 1000,
        },
        Buckets(input_uncached=30, cache_read=1000, output_text=20),
    ),
    (
        # The total says that the cached tokens are no part of the input.
        {
            "llm.token_count.prompt": 30,
            "llm.token_count.completion": 20,
            "llm.token_count.total": 1050,
            "llm.token_count.prompt_details.cache_read": 1000,
        },
        Buckets(input_uncached=30, cache_read=1000, output_text=20),
    ),
    (
        # … and here, that the reasoning is no part of the output.
        {
            "gen_ai.usage.input_tokens": 30,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.total_tokens": 57,
            "gen_ai.usage.reasoning_tokens": 7,
        },
        Buckets(input_uncached=30, output_text=20, reasoning=7),
    ),
]


@pytest.mark.parametrize(("given", "expected"), USAGES)
def test_token_counts_become_exclusive_buckets(given: dict[str, Any], expected: Buckets) -> None:
    call = call_of({**CHAT, **given})
    assert bucket_usage(call.usage, provider=call.provider, endpoint=call.endpoint) == expected
    assert call.usage_raw is not None
    assert json.loads(call.usage_raw) == given


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "missing_usage"),
        ({"gen_ai.usage.input_tokens": -1, "gen_ai.usage.output_tokens": 1}, "malformed_usage"),
        ({"gen_ai.usage.input_tokens": "many", "gen_ai.usage.output_tokens": 1}, "malformed_usage"),
        ({"gen_ai.usage.input_tokens": 10}, "malformed_usage"),
        # Cached tokens beyond the input, and no total that would say how they are meant.
        (
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.cache_read.input_tokens": 900,
                "gen_ai.usage.output_tokens": 1,
            },
            "inconsistent_usage",
        ),
    ],
)
def test_counts_that_do_not_add_up_are_refused_not_guessed(given: dict[str, Any], reason: str) -> None:
    call = call_of({**CHAT, **given})
    found = bucket_usage(call.usage, provider=call.provider, endpoint=call.endpoint)
    assert isinstance(found, Unbucketed)
    assert found.reason == reason
