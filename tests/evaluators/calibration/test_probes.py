"""What sways a judge of pairs: made-up judges whose bias is known."""

import numpy as np
import pytest

from evaluators.calibration.probes import (
    JudgedPair,
    Winner,
    family_of,
    flip_rate,
    length_preference,
    score_by_length,
    self_preference,
)


def pairs(
    *, judge_by: str, n: int = 400, models: tuple[str, str] = ("gpt-4", "claude-v1")
) -> list[JudgedPair]:
    """Pairs whose better answer people see; the judge goes by `judge_by`: quality, length, first or kin."""
    random = np.random.default_rng(1)
    found = []
    for number in range(n):
        better: Winner = "a" if random.random() < 0.5 else "b"
        lengths = random.integers(100, 900, 2)
        by: dict[str, Winner] = {
            "quality": better,
            "length": "a" if lengths[0] > lengths[1] else "b",
            "kin": "a",
        }
        found.append(
            JudgedPair(
                *models,
                cluster=str(number // 4),
                judge=by[judge_by],
                human=better,
                length_a=int(lengths[0]),
                length_b=int(lengths[1]),
            )
        )
    return found


def test_a_judge_of_quality_prefers_what_people_prefer() -> None:
    found = length_preference(pairs(judge_by="quality"))
    assert found.excess.value == 0
    assert not found.excess.excludes(0)


def test_a_judge_of_length_is_found_out() -> None:
    judged = pairs(judge_by="length")
    found = length_preference(judged)
    assert found.of_judge.value == 1
    assert found.excess.excludes(0)
    assert found.excess.value == pytest.approx(1 - found.of_people.value)
    assert score_by_length(judged).value > 0.7
    assert abs(score_by_length(pairs(judge_by="quality")).value) < 0.15


def test_a_judge_that_favours_its_kin_is_found_out() -> None:
    found = self_preference(pairs(judge_by="kin"), judge_model="openai/gpt-4-0613")
    assert found.of_judge.value == 1
    assert found.excess.excludes(0)
    fair = self_preference(pairs(judge_by="quality"), judge_model="gpt-4")
    assert not fair.excess.excludes(0)


def test_pairs_of_one_family_or_of_none_say_nothing_of_kin() -> None:
    both = pairs(judge_by="kin", models=("gpt-4", "gpt-3.5-turbo"))
    assert not self_preference(both, judge_model="gpt-4").of_judge.is_known
    assert not self_preference(pairs(judge_by="kin"), judge_model="house-model").of_judge.is_known


def test_flips_are_of_pairs_with_a_verdict_in_both_orders() -> None:
    def pair(judge: Winner | None, *, is_flip: bool | None) -> JudgedPair:
        return JudgedPair("m", "n", "q", judge, is_flip=is_flip)

    asked = [pair("tie", is_flip=True), pair("a", is_flip=False), pair("b", is_flip=False)]
    unasked = [pair(None, is_flip=None), pair("a", is_flip=None)]
    found = flip_rate([*asked, *unasked])
    assert (found.value, found.n) == (pytest.approx(1 / 3), 3)
    assert not flip_rate(unasked).is_known


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-2024-08-06", "openai"),
        ("anthropic/claude-3-5-sonnet", "anthropic"),
        ("Gemini-1.5-Pro", "google"),
        ("vicuna-13b-v1.2", None),
    ],
)
def test_a_models_name_says_whose_it_is(model: str, family: str | None) -> None:
    assert family_of(model) == family


def test_an_answer_of_unknown_length_is_neither_longer_nor_shorter() -> None:
    known = JudgedPair("m", "n", "q", "a", length_a=10, length_b=20)
    unseen = JudgedPair("m", "n", "r", "a", length_a=10)
    found = length_preference([known, unseen])
    assert (found.of_judge.n, found.of_judge.value) == (1, 0.0)
