"""What a request may use, told before it is sent."""

import base64
import json
import os
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.limits.estimate import OUTPUT_EXPECTED, OUTPUT_UNLIMITED, estimate, tokens_used
from ingest.providers.base import Prepared


def prepared(limit: int | None = None, **members: Any) -> Prepared:
    body = json.dumps({"model": "m", **members}, ensure_ascii=False).encode()
    return Prepared(body=body, path="/chat/completions", requested_model="m", output_limit=limit)


def test_every_byte_of_the_request_counts_as_input() -> None:
    short, long = estimate(prepared(5)), estimate(prepared(5, messages="안녕하세요 🎈" * 100))
    assert long.input_tokens >= short.input_tokens + len("안녕하세요 🎈".encode()) * 100 // 3


def test_the_named_limit_is_reserved_for_every_answer_asked_for() -> None:
    assert estimate(prepared(50)).output_tokens == 50
    assert estimate(prepared(50, n=8)).output_tokens == 400
    assert estimate(prepared(50, n=2, best_of=5)).output_tokens == 250
    assert estimate(prepared(50, generationConfig={"candidateCount": 3})).output_tokens == 150


@pytest.mark.parametrize("n", [0, -5, 1.5, "8", None, True, [], {}])
def test_an_absurd_number_of_answers_is_one(n: object) -> None:
    assert estimate(prepared(50, n=n)).output_tokens == 50


def test_a_call_without_a_limit_reserves_what_models_write_at_most() -> None:
    assert estimate(prepared()).output_tokens == OUTPUT_UNLIMITED
    assert estimate(prepared()).likely_tokens < OUTPUT_EXPECTED + 100


def test_an_embedding_writes_nothing() -> None:
    assert estimate(replace(prepared(), path="/embeddings")).output_tokens == 0


def test_an_image_counts_by_the_piece_for_rate_limits_and_by_bytes_for_budgets() -> None:
    image = base64.b64encode(os.urandom(300_000)).decode()
    found = estimate(prepared(10, messages=[{"image_url": f"data:image/png;base64,{image}"}]))
    assert found.input_tokens > 130_000
    assert found.likely_tokens < 2_000


def test_long_text_is_no_image() -> None:
    for text in ("word " * 5_000, "한" * 5_000, "line\n" * 5_000):
        found = estimate(prepared(0, messages=text))
        assert found.likely_tokens == found.input_tokens


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"n":' + b"9" * 5000 + b"}"])
def test_a_body_that_cannot_be_read_counts_by_its_bytes(body: bytes) -> None:
    found = estimate(Prepared(body=body, path="/chat/completions"))
    assert found.input_tokens == -(-len(body) // 3)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, 10),
        ({"input_tokens": 7, "output_tokens": 3, "cache_read_input_tokens": 90}, 100),
        ({"promptTokenCount": 4, "candidatesTokenCount": 5, "totalTokenCount": 9}, 9),
        ({"prompt_tokens": -7, "completion_tokens": 3, "total_tokens": -4}, None),
        ({"prompt_tokens": float("nan"), "completion_tokens": 3}, None),
        ({"total_tokens": float("nan")}, None),
        ({"total_tokens": 10**30}, None),
        ({"total_tokens": True}, None),
        ({}, None),
        (None, None),
    ],
)
def test_only_a_count_that_can_be_true_is_believed(usage: dict[str, Any] | None, tokens: int | None) -> None:
    assert tokens_used(usage, provider="openai", path="/chat/completions") == tokens
