"""All rules over frames: shape, reasons, order, identity."""

import dataclasses
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from evaluators.rules.catalogue import RULES
from evaluators.rules.identity import rule_hash, rule_set_hash
from evaluators.rules.prepare import INPUT_SCHEMA
from evaluators.rules.score import SCORE_SCHEMA, score_frame
from evaluators.rules.slow import slow

NAMES = {rule.name for rule in RULES}
START = datetime(2026, 11, 2, tzinfo=UTC)


def row(scored: pl.DataFrame) -> tuple[list[str], dict[str, str], dict[str, str]]:
    failed, unscored, evidence = scored.row(0)[2:]
    return failed, json.loads(unscored), json.loads(evidence)


def test_twelve_rules_stand_in_the_catalogue() -> None:
    assert len(NAMES) == len(RULES) == 12
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", rule.version) for rule in RULES)
    assert all(rule.description and set(rule.requires) <= INPUT_SCHEMA.keys() for rule in RULES)


def test_a_good_call_passes_what_applies(frame_of: Callable[..., pl.DataFrame]) -> None:
    failed, unscored, evidence = row(score_frame(frame_of({})))
    assert failed == []
    assert evidence == {}
    assert unscored == {
        "invalid_json": "not_applicable",
        "json_schema": "not_applicable",
        "repetition_loop": "not_applicable",
    }


def test_failed_rules_are_sorted_and_have_evidence(frame_of: Callable[..., pl.DataFrame]) -> None:
    body = b'{"response_format": {"type": "json_object"}}'
    call = {"output_text": 'I\'m sorry, I cannot help with "that".', "request": body, "latency_ms": 31_000.0}
    failed, unscored, evidence = row(score_frame(frame_of(call)))
    assert failed == ["invalid_json", "refusal", "slow"]
    assert evidence.keys() == set(failed)
    assert not unscored.keys() & set(failed)


@pytest.mark.parametrize("state", ["none", "shed", "masked"])
def test_a_text_that_was_not_kept_is_not_evaluable(frame_of: Callable[..., pl.DataFrame], state: str) -> None:
    call = {"body_state": state, "output_text": None, "input_text": None, "request": None}
    failed, unscored, _ = row(score_frame(frame_of(call)))
    assert failed == []
    assert unscored == dict.fromkeys(sorted(NAMES - {"slow", "error"}), "not_evaluable")


def test_an_error_call_fails_the_error_rule_and_no_text_rule_applies(
    frame_of: Callable[..., pl.DataFrame],
) -> None:
    call = {
        "status": "error",
        "http_status": 429,
        "error_type": "rate_limit",
        "finish_reason": None,
        "output_text": None,
        "body_state": "none",
    }
    failed, unscored, evidence = row(score_frame(frame_of(call)))
    assert failed == ["error"]
    assert evidence == {"error": "status error, HTTP 429, rate_limit"}
    assert unscored == dict.fromkeys(sorted(NAMES - {"slow", "error"}), "not_applicable")


def test_an_embedding_has_no_text_to_judge(frame_of: Callable[..., pl.DataFrame]) -> None:
    call = {"endpoint": "/v1/embeddings", "output_text": None, "finish_reason": None}
    failed, unscored, _ = row(score_frame(frame_of(call)))
    assert failed == []
    assert unscored.keys() == NAMES - {"slow", "error"}


def test_a_call_of_nothing_but_nulls_is_not_evaluable() -> None:
    frame = pl.DataFrame({"call_id": ["c"], "started_at": [START]})
    failed, unscored, _ = row(score_frame(frame))
    assert failed == []
    assert unscored == dict.fromkeys(sorted(NAMES), "not_evaluable")


def test_an_empty_frame_gives_an_empty_frame() -> None:
    scored = score_frame(pl.DataFrame(schema=INPUT_SCHEMA))
    assert scored.height == 0
    assert dict(scored.schema) == SCORE_SCHEMA


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"latency_ms": 30_000.0}, False),
        ({"latency_ms": 30_001.0}, True),
        ({"latency_ms": 12_000.0, "ttft_ms": 11_000.0, "is_streamed": True}, True),
        ({"latency_ms": 12_000.0, "ttft_ms": 11_000.0, "is_streamed": False}, False),
        ({"latency_ms": None}, None),
        ({"latency_ms": -5.0}, None),
        ({"latency_ms": float("nan")}, None),
        ({"latency_ms": float("inf")}, None),
    ],
)
def test_slow(judge: Callable[..., Any], changes: dict[str, object], failed: bool | None) -> None:
    assert judge("slow", **changes).failed is failed


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, False),
        ({"status": "client_gone"}, False),
        ({"status": "interrupted"}, True),
        ({"status": None, "http_status": 500}, True),
        ({"status": None, "http_status": None}, None),
    ],
)
def test_error(judge: Callable[..., Any], changes: dict[str, object], failed: bool | None) -> None:
    assert judge("error", **changes).failed is failed


def test_a_changed_threshold_is_another_rule() -> None:
    assert rule_hash(slow()) == rule_hash(slow())
    assert rule_hash(slow()) != rule_hash(slow(latency_ms=5_000))
    assert rule_hash(slow()) != rule_hash(dataclasses.replace(slow(), version="1.0.1"))


def test_the_hash_of_a_set_ignores_order_and_sees_every_rule() -> None:
    assert rule_set_hash(RULES) == rule_set_hash(tuple(reversed(RULES)))
    assert rule_set_hash(RULES) != rule_set_hash(RULES[1:])
    assert len({rule_hash(rule) for rule in RULES}) == 12


def test_only_the_given_rules_run(frame_of: Callable[..., pl.DataFrame]) -> None:
    failed, unscored, _ = row(score_frame(frame_of({"latency_ms": 6_000.0}), rules=[slow(latency_ms=5_000)]))
    assert (failed, unscored) == (["slow"], {})


def test_pathological_texts_take_bounded_time(frame_of: Callable[..., pl.DataFrame]) -> None:
    texts = [
        "a" * 10**6,
        "가" * 10**6,
        "👍" * 500_000,
        '{"' + '\\"' * 500_000,
        "(" * 10**6,
        "`" * 10**6,
        "@" * 10**6,
    ]
    texts += [
        "word " * 200_000,
        "1 " * 500_000,
        "\n" * 10**6 + "x",
        "sorry, " * 150_000,
        " ".join(f"010-{n % 9000 + 1000}-{n // 9 + 1000}" for n in range(60_000)),
        "\u202e\u0301" * 400_000,
    ]
    asking = {"request": b'{"response_format": {"type": "json_object"}}'}
    started = time.process_time()
    scored = score_frame(frame_of(*({"output_text": text, "input_text": text} | asking for text in texts)))
    assert scored.height == len(texts)
    assert time.process_time() - started < 60


PIECES = st.sampled_from(
    [
        "I'm sorry, I cannot help. ",
        "죄송합니다. 도와드릴 수 없습니다. ",
        "Answer in Korean only. ",
        "Return JSON. ",
        '{"a": [1, 2',
        "```python\nx\n",
        "the same words over and over ",
        "jane@acme.io ",
        "👍🏽",
        "日本語で答えてください。",
        "\u200b",
        '"\\',
    ]
)
TEXTS = st.none() | st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60)
CALLS = st.fixed_dictionaries(
    {
        "status": st.sampled_from([None, "ok", "error", "interrupted", "client_gone"]),
        "http_status": st.sampled_from([None, 200, 500]),
        "finish_reason": st.sampled_from([None, "stop", "length", "tool_calls", "SAFETY"]),
        "latency_ms": st.none() | st.floats(),
        "body_state": st.sampled_from([None, "full", "text", "masked", "none", "shed"]),
        "input_text": TEXTS,
        "output_text": TEXTS,
        "request": st.sampled_from(
            [None, b"{}", b'{"response_format": {"type": "json_object"}}', b"\xff\x00 response_format"]
        ),
    }
)


def numbered(calls: list[dict[str, object]]) -> pl.DataFrame:
    rows = [
        call | {"call_id": str(n), "started_at": START + timedelta(seconds=n)} for n, call in enumerate(calls)
    ]
    return pl.DataFrame(rows, schema=INPUT_SCHEMA)


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(CALLS, max_size=8), cut=st.integers(0, 8))
def test_scoring_a_concatenation_is_concatenating_scores(calls: list[dict[str, object]], cut: int) -> None:
    frame = numbered(calls)
    whole = score_frame(frame)
    assert_frame_equal(whole, pl.concat([score_frame(frame[:cut]), score_frame(frame[cut:])]))
    assert_frame_equal(whole, score_frame(frame.reverse()).reverse())


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(CALLS, min_size=1, max_size=8))
def test_every_rule_fails_passes_or_gives_one_known_reason(calls: list[dict[str, object]]) -> None:
    for *_, failed, unscored, evidence in score_frame(numbered(calls)).iter_rows():
        reasons, found = json.loads(unscored), json.loads(evidence)
        assert failed == sorted(failed)
        assert found.keys() == set(failed)
        assert not reasons.keys() & set(failed)
        assert set(reasons.values()) <= {"not_applicable", "not_evaluable"}
        assert all(len(text) <= 200 for text in found.values())
