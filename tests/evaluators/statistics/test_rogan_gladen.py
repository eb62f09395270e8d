"""Rogan–Gladen corrects only where its preconditions hold."""

import pytest

from evaluators.statistics.estimate import Estimate
from evaluators.statistics.rogan_gladen import JudgeErrors, NotCorrected, rogan_gladen
from evaluators.statistics.wilson import wilson

KNOWN = JudgeErrors(n_pass=100, n_pass_found=90, n_fail=50, n_fail_found=40)


def test_the_rate_behind_an_imperfect_judge() -> None:
    # (0.70 + 0.80 - 1) / (0.90 + 0.80 - 1)
    found = rogan_gladen(350, 500, errors=KNOWN)
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(0.5 / 0.7)
    assert found.low < 0.5 / 0.7 < found.high
    assert found.n == 500


def test_more_calls_do_not_make_up_for_few_labels() -> None:
    few = rogan_gladen(3_500_000, 5_000_000, errors=KNOWN)
    assert isinstance(few, Estimate)
    assert few.width > 0.1


def test_the_result_stays_within_0_and_1() -> None:
    found = rogan_gladen(500, 500, errors=KNOWN)
    assert isinstance(found, Estimate)
    assert found.value == found.high == 1


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        (JudgeErrors(100, 90, 29, 25), "fewer than 30"),
        (JudgeErrors(29, 29, 100, 90), "fewer than 30"),
        (JudgeErrors(100, 60, 100, 55), "below 0.2"),
        (JudgeErrors(100, 40, 100, 40), "below 0.2"),
    ],
)
def test_labels_that_cannot_carry_it_are_told(errors: JudgeErrors, reason: str) -> None:
    found = rogan_gladen(350, 500, errors=errors)
    assert isinstance(found, NotCorrected)
    assert reason in found.reason


def test_nothing_judged_is_nothing_to_correct() -> None:
    assert isinstance(rogan_gladen(0, 0, errors=KNOWN), NotCorrected)


def test_a_judge_that_made_no_mistake_yet_is_not_taken_for_perfect() -> None:
    found = rogan_gladen(350, 500, errors=JudgeErrors(40, 40, 40, 40))
    assert isinstance(found, Estimate)
    assert found.value == 0.7
    assert found.width > 1.2 * wilson(350, 500).width
