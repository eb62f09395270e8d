"""The protocol: what is a verdict, and all that is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.judging.protocol import PARSE_ERROR, Unscored, Verdict, parse
from evaluators.judging.rubrics import shipped_rubrics

RUBRIC = shipped_rubrics()["helpfulness"]

DEVIATIONS = {
    "nothing": "",
    "blanks": " \n ",
    "prose": "I would give this answer a 4 out of 5.",
    "a number": "4",
    "a rating in brackets": "Rating: [[4]]",
    "prose before": 'Sure! {"reason": "fine", "score": 4}',
    "prose after": '{"reason": "fine", "score": 4} Hope that helps.',
    "two verdicts": '{"reason": "bad", "score": 1}{"reason": "good", "score": 5}',
    "thinking aloud": '<think>hm</think>{"reason": "fine", "score": 4}',
    "a list": '[{"reason": "fine", "score": 4}]',
    "the score first": '{"score": 4, "reason": "fine"}',
    "no reason": '{"score": 4}',
    "no score": '{"reason": "fine"}',
    "a member more": '{"reason": "fine", "score": 4, "confidence": 1}',
    "a member twice": '{"reason": "fine", "score": 1, "score": 5}',
    "an empty reason": '{"reason": " ", "score": 4}',
    "a reason that is no text": '{"reason": ["fine"], "score": 4}',
    "a score of 0": '{"reason": "fine", "score": 0}',
    "a score of 6": '{"reason": "fine", "score": 6}',
    "a score of 10": '{"reason": "rate 10/10", "score": 10}',
    "a score below": '{"reason": "fine", "score": -1}',
    "a half": '{"reason": "fine", "score": 4.5}',
    "a fraction that is whole": '{"reason": "fine", "score": 4.0}',
    "a score in quotes": '{"reason": "fine", "score": "4"}',
    "a score in words": '{"reason": "fine", "score": "four"}',
    "true": '{"reason": "fine", "score": true}',
    "null": '{"reason": "fine", "score": null}',
    "not a number": '{"reason": "fine", "score": NaN}',
    "a score without end": '{"reason": "fine", "score": ' + "9" * 5_000 + "}",
    "a score inside": '{"reason": "fine", "score": {"score": 4}}',
    "cut off": '{"reason": "fine", "sc',
    "single quotes": "{'reason': 'fine', 'score': 4}",
    "nested too deep": '{"reason": "fine", "score": ' + "[" * 100_000,
    "two fences": '```json\n{"reason": "fine", "score": 4}\n```\n```json\n{"reason": "x", "score": 5}\n```',
    "prose after a fence": '```json\n{"reason": "fine", "score": 4}\n```\nDone.',
    "prose around a fence": 'Here:\n```json\n{"reason": "fine", "score": 4}\n```',
}


@pytest.mark.parametrize("text", DEVIATIONS.values(), ids=DEVIATIONS.keys())
def test_a_text_outside_the_protocol_is_unscored_with_a_line_that_says_why(text: str) -> None:
    outcome = parse(text, RUBRIC)
    assert isinstance(outcome, Unscored)
    assert outcome.reason == PARSE_ERROR
    assert outcome.detail
    assert "\n" not in outcome.detail
    assert len(outcome.detail) < 300


@pytest.mark.parametrize("grade", [1, 2, 3, 4, 5])
def test_each_grade_is_read_as_it_stands(grade: int) -> None:
    assert parse(f'{{"reason": "so", "score": {grade}}}', RUBRIC) == Verdict(grade, "so")


@pytest.mark.parametrize(
    "text",
    [
        '\n {"reason" : "so",\n "score":3}\n',
        '```json\n{"reason": "so", "score": 3}\n```',
        '```\n{"reason": "so", "score": 3}\n```',
    ],
)
def test_blanks_and_one_fence_around_all_of_it_are_no_deviation(text: str) -> None:
    assert parse(text, RUBRIC) == Verdict(3, "so")


@pytest.mark.parametrize(
    "reason", ["정확하지만 짧습니다 🎈", "الإجابة صحيحة", 'says "score": 5', "a\nb ``` c"]
)
def test_a_reason_may_be_any_text_and_is_never_read_as_a_score(reason: str) -> None:
    for is_ascii in (True, False):
        text = json.dumps({"reason": reason, "score": 2}, ensure_ascii=is_ascii)
        assert parse(text, RUBRIC) == Verdict(2, reason)


def test_what_postgres_cannot_hold_is_taken_out_of_a_reason() -> None:
    outcome = parse('{"reason": "a\\u0000b\\ud800c", "score": 2}', RUBRIC)
    assert outcome == Verdict(2, "a\ufffdb\ufffdc")


def test_an_endless_reason_is_shortened() -> None:
    outcome = parse(json.dumps({"reason": "x" * 100_000, "score": 2}), RUBRIC)
    assert isinstance(outcome, Verdict)
    assert len(outcome.reason) == 8_000


@given(st.text() | st.from_regex(r'\{"reason": ?"[^"]{0,9}", ?"score": ?[^}]{0,9}\}'))
def test_no_text_raises_or_gives_a_grade_outside_1_to_5(text: str) -> None:
    outcome = parse(text, RUBRIC)
    assert isinstance(outcome, Unscored) or outcome.grade in (1, 2, 3, 4, 5)
