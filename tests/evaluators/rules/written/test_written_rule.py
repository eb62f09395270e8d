"""Written rules over calls: whom they are for, when they are unscored, and what their evidence shows."""

import time
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from evaluators.rules.base import Rule
from evaluators.rules.prepare import INPUT_SCHEMA, prepare
from evaluators.rules.score import score_frame
from evaluators.rules.written.definition import read_definition
from evaluators.rules.written.patterns import compile_pattern
from evaluators.rules.written.rule import written_rule
from evaluators.rules.written.scope import SCOPE_SCHEMA

FrameOf = Callable[..., pl.DataFrame]


def rule(**fields: Any) -> Rule:
    return written_rule(read_definition({"id": "a", **fields}))


def verdicts(frame: pl.DataFrame, made: Rule) -> list[tuple[Any, ...]]:
    """(failed, reason) of each call, through the whole path."""
    scored = score_frame(frame, rules=[made])
    reason = scored["unscored"].str.json_path_match("$.a")
    return [
        (None if why else bool(failed), why)
        for failed, why in zip(scored["failed"].list.len() > 0, reason, strict=True)
    ]


def evidence(frame: pl.DataFrame, made: Rule) -> str | None:
    return made.check(prepare(frame))["evidence"][0]


def calls(frame_of: FrameOf, *changes: dict[str, Any]) -> pl.DataFrame:
    scope = dict.fromkeys(SCOPE_SCHEMA)
    rows = [scope | frame_of(change).row(0, named=True) | change for change in changes]
    return pl.DataFrame(rows, schema={**INPUT_SCHEMA, **SCOPE_SCHEMA})


def test_a_scope_takes_names_and_patterns_and_leaves_the_rest_unscored(frame_of: FrameOf) -> None:
    made = rule(regex={"pattern": "Paris"}, scope={"models": ["gpt-4*", "a?b"], "projects": ["shop"]})
    frame = calls(
        frame_of,
        {"requested_model": "gpt-4o", "project": "shop"},
        {"requested_model": "axb", "project": "shop"},
        {"requested_model": "my-gpt-4o", "project": "shop"},
        {"requested_model": "gpt-4o", "project": "Shop"},
        {"requested_model": "gpt-4o", "project": None},
        {"requested_model": "a.b\n", "project": "shop"},
    )
    out = (None, "not_applicable")
    assert verdicts(frame, made) == [(True, None), (True, None), out, out, out, out]


def test_when_says_which_calls_a_rule_is_for(frame_of: FrameOf) -> None:
    made = rule(regex={"pattern": "Paris"}, when="contains(input, 'capital')")
    frame = calls(frame_of, {}, {"input_text": "Hello"}, {"input_text": None})
    assert verdicts(frame, made) == [(True, None), (None, "not_applicable"), (None, "not_evaluable")]


@pytest.mark.parametrize("body_state", ["none", "shed", "masked"])
def test_a_text_that_was_not_kept_is_not_evaluable(frame_of: FrameOf, body_state: str) -> None:
    frame = calls(frame_of, {"output_text": None, "body_state": body_state})
    for fields in ({"regex": {"pattern": "a"}}, {"length": {"max": 1}}, {"expression": "length(output) > 1"}):
        assert verdicts(frame, rule(**fields)) == [(None, "not_evaluable")]
    assert verdicts(frame, rule(latency={"max_ms": 1})) == [(True, None)]


def test_calls_without_an_answer_are_not_applicable_to_rules_of_the_answer(frame_of: FrameOf) -> None:
    frame = calls(
        frame_of,
        {"output_text": None, "finish_reason": "tool_calls"},
        {"output_text": None, "status": "error", "http_status": 500},
        {"output_text": "x", "endpoint": "/v1/embeddings"},
    )
    made = rule(regex={"pattern": "a", "fails_if": "missing"})
    assert verdicts(frame, made) == [(None, "not_applicable")] * 3


def test_each_kind_fails_what_it_should(frame_of: FrameOf) -> None:
    frame = calls(frame_of, {"output_text": '{"a": 1}', "latency_ms": 900.0, "ttft_ms": None})
    failing = [
        {"regex": {"pattern": "a"}},
        {"regex": {"pattern": "b", "fails_if": "missing"}},
        {"length": {"min": 9}},
        {"length": {"unit": "words", "max": 1}},
        {"latency": {"max_ms": 800}},
        {"latency": {"max_ms": 800, "max_ttft_ms": 100}},
        {"json_schema": {"required": ["b"]}},
        {"expression": "status == 'ok'"},
        {"regex": {"pattern": "capital", "field": "input"}},
    ]
    passing = [
        {"regex": {"pattern": "b"}},
        {"length": {"min": 8, "max": 8}},
        {"latency": {"max_ms": 900}},
        {"json_schema": {"required": ["a"]}},
        {"expression": "status != 'ok'"},
    ]
    assert [verdicts(frame, rule(**fields)) for fields in failing] == [[(True, None)]] * len(failing)
    assert [verdicts(frame, rule(**fields)) for fields in passing] == [[(False, None)]] * len(passing)
    assert verdicts(frame, rule(latency={"max_ttft_ms": 9})) == [(None, "not_evaluable")]


def test_a_rule_of_the_system_text_reads_the_request(frame_of: FrameOf) -> None:
    request = b'{"messages": [{"role": "system", "content": "Be brief."}]}'
    made = rule(regex={"pattern": "brief", "field": "system"})
    assert "request" in made.requires
    frame = calls(frame_of, {"request": request}, {"request": b"{}"})
    assert verdicts(frame, made) == [(True, None), (None, "not_evaluable")]


def test_evidence_shows_places_and_words_of_the_rule_but_never_the_text(frame_of: FrameOf) -> None:
    frame = calls(frame_of, {"output_text": "né le 3 mai: SECRET-4711", "input_text": "SECRET-4711"})
    found = [
        evidence(frame, rule(regex={"pattern": r"SECRET-\d+"})),
        evidence(frame, rule(expression="contains(output, 'SECRET')")),
        evidence(frame, rule(instruction="combination:repeat_prompt")),
        evidence(frame, rule(json_schema={"type": "object"})),
    ]
    assert found[0] == "11 characters from character 14 on"
    assert all(found)
    assert not any("4711" in each for each in found if each)


# Exponential in a backtracking engine, at sizes where it would outlive the machine.
CATASTROPHIC = [r"(a+)+$", r"(a|a)*b", r"(.*)(.*)(.*)(.*)(.*)x", r"(x+x+)+y", r"(?:a?){400}a{400}"]


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_catastrophic_pattern_takes_no_longer_than_another(pattern: str, frame_of: FrameOf) -> None:
    frame = calls(frame_of, *[{"output_text": "a" * 50_000 + "!"}] * 20)
    started = time.process_time()
    found = verdicts(frame, rule(regex={"pattern": pattern}))
    assert time.process_time() - started < 60
    assert len(found) == 20


@pytest.mark.parametrize("pattern", ["(?:a{1000}){1000}", "a{1001}", "x" * 1_001, r"\pL{200}"])
def test_a_pattern_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="regex: "):
        compile_pattern(pattern, field="regex")


def test_what_is_left_when_the_time_is_over_is_unscored(frame_of: FrameOf) -> None:
    frame = calls(frame_of, *[{}] * 3)
    for fields in (
        {"regex": {"pattern": "Paris"}},
        {"expression": "matches(output, 'Paris')"},
        {"instruction": "detectable_format:json_format"},
        {"length": {"max": 1}},
    ):
        late = written_rule(read_definition({"id": "a", **fields}), time_limit=-1.0)
        assert verdicts(frame, late) == [(None, "too_slow")] * 3


def test_a_text_too_long_for_a_large_pattern_is_unscored(frame_of: FrameOf) -> None:
    words = "|".join(f"w{n:03}x" for n in range(160))
    made = rule(regex={"pattern": f"(?:{words})"})
    frame = calls(frame_of, {"output_text": "w001 " * 1_000_000}, {"output_text": "w001x"})
    assert verdicts(frame, made) == [(None, "too_slow"), (True, None)]


def test_a_verdict_depends_on_its_own_call_alone(frame_of: FrameOf) -> None:
    changes = [{"output_text": f"{n} Paris" if n % 3 else f"{n} Rome"} for n in range(2_803)]
    frame = calls(frame_of, *changes)
    made = rule(regex={"pattern": "Paris"}, when="not starts_with(output, '7')")
    together = verdicts(frame, made)
    alone = [verdict for n in (0, 7, 2_499, 2_500, 2_501, 2_802) for verdict in verdicts(frame[n], made)]
    assert [together[n] for n in (0, 7, 2_499, 2_500, 2_501, 2_802)] == alone
