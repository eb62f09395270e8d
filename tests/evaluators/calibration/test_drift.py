"""A golden set stands still: what moves there is the judge."""

import numpy as np

from evaluators.calibration.drift import attribute, drift
from evaluators.statistics.estimate import Estimate

GRADES = [float(grade) for grade in np.random.default_rng(1).integers(1, 6, 60)]


def lower(share: float, *, seed: int = 2) -> list[float]:
    """The grades, this share of them one lower."""
    moved = np.random.default_rng(seed).random(len(GRADES)) < share
    return [max(1.0, grade - down) for grade, down in zip(GRADES, moved, strict=True)]


def test_the_same_scores_are_no_drift() -> None:
    found = drift(GRADES, GRADES)
    assert (found.n, found.shift.value, found.flips.value, found.is_drift) == (60, 0.0, 0.0, False)


def test_a_judge_that_grades_lower_drifts() -> None:
    found = drift(GRADES, lower(0.5))
    assert found.is_drift
    assert found.shift.value < -0.3
    assert found.flips.value > 0


def test_noise_in_both_directions_is_no_drift() -> None:
    random = np.random.default_rng(3)
    noisy = [grade + step for grade, step in zip(GRADES, random.choice([-1, 0, 1], 60), strict=True)]
    assert not drift(GRADES, noisy).is_drift


def test_a_sure_but_tiny_shift_is_no_drift() -> None:
    assert not drift([4.0] * 5_000, [4.0 - (i % 20 == 0) for i in range(5_000)]).is_drift


def test_few_items_show_nothing() -> None:
    assert not drift(GRADES[:19], [grade - 1 for grade in GRADES[:19]]).is_drift
    assert drift([], []).n == 0


def test_a_fall_that_the_golden_set_shows_too_is_the_judges() -> None:
    fall = Estimate(-0.5, -0.6, -0.4, 2_000)
    found = attribute(fall, drift(GRADES, lower(0.55)))
    assert found.cause == "judge"
    assert not found.product.excludes(0)


def test_a_fall_that_the_golden_set_does_not_show_is_the_products() -> None:
    fall = Estimate(-0.5, -0.6, -0.4, 2_000)
    found = attribute(fall, drift(GRADES, GRADES))
    assert (found.cause, found.product) == ("product", fall)


def test_both_can_move_at_once() -> None:
    fall = Estimate(-1.5, -1.6, -1.4, 2_000)
    found = attribute(fall, drift(GRADES, lower(0.5)))
    assert found.cause == "both"
    assert -1.3 < found.product.value < -0.8


def test_nothing_moved_is_nobodys() -> None:
    assert attribute(Estimate(0.01, -0.1, 0.1, 500), drift(GRADES, GRADES)).cause == "none"


def test_a_small_golden_set_does_not_excuse_a_fall() -> None:
    found = attribute(Estimate(-0.5, -0.6, -0.4, 2_000), drift(GRADES[:5], GRADES[:5]))
    assert found.cause == "unknown"
