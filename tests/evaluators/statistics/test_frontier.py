"""The frontier of a stratified sample."""

import numpy as np
import pytest

from evaluators.statistics.frontier import Answers, Sample, find_frontier

NAN = float("nan")


def sample(strata: list[int], sizes: list[float], clusters: list[int] | None = None) -> Sample:
    return Sample(
        strata=np.asarray(strata, dtype=np.intp),
        clusters=np.asarray(clusters if clusters is not None else range(len(strata)), dtype=np.intp),
        sizes=np.asarray(sizes, dtype=np.float64),
    )


def answers(name: str, grades: list[float], usd: list[float]) -> Answers:
    return Answers(name, np.asarray(grades, dtype=np.float64), np.asarray(usd, dtype=np.float64))


def test_a_stratum_counts_as_it_does_in_the_traffic() -> None:
    """Two of 90 calls and two of 10: the mean is (90 * 2 + 10 * 4) / 100 by hand."""
    (point,) = find_frontier(
        sample([0, 0, 1, 1], [90, 10]), [answers("a", [1, 3, 4, 4], [0.1, 0.1, 0.5, 0.5])]
    )
    assert point.grade.value == pytest.approx(2.2)
    assert point.usd.value == pytest.approx(0.14)
    # By hand: w = 45, 45, 5, 5 of 100; sqrt(sum((w (y - 2.2) / 100)^2) * 4/3) * t(0.975, 3).
    moves = np.array([45 * -1.2, 45 * 0.8, 5 * 1.8, 5 * 1.8]) / 100
    half = 3.182446 * np.sqrt((moves @ moves) * 4 / 3)
    assert point.grade.high - point.grade.value == pytest.approx(half, rel=1e-5)


def test_what_is_missing_leaves_its_stratum_the_weight_it_has() -> None:
    strata = sample([0, 0, 1, 1], [90, 10])
    (point,) = find_frontier(strata, [answers("a", [NAN, 2, 4, 4], [0.1, NAN, 0.5, 0.5])])
    assert point.grade.value == pytest.approx(2.2)
    (gone,) = find_frontier(strata, [answers("a", [NAN, NAN, 4, 4], [0.1] * 4)])
    assert (gone.grade.value, gone.represented) == (4, 0.1)


def test_differences_are_of_the_prompts_that_both_have() -> None:
    now = answers("now", [1, 5, 3, NAN], [1, 1, 1, 1])
    new = answers("new", [2, NAN, 5, 5], [2, 2, 2, 2])
    _, point = find_frontier(sample([0] * 4, [400]), [now, new])
    assert point.grade_difference.value == pytest.approx(1.5)
    assert point.grade_difference.n == 2
    assert point.usd_difference.value == pytest.approx(1)


def test_a_model_is_dominated_by_a_better_and_cheaper_one_and_surely_where_the_intervals_say_so() -> None:
    n = 40
    noise = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], size=n)
    base = np.full(n, 3.0) + noise
    now = answers("now", list(base), [1.0] * n)
    better = answers("better", list(base + 1), [0.5] * n)
    dear = answers("dear", list(base + 1.5), [9.0] * n)
    unsure = answers("unsure", list(np.roll(base, 1) + 0.01), [0.9] * n)
    found = {
        point.name: point for point in find_frontier(sample([0] * n, [1000]), [now, better, dear, unsure])
    }
    assert found["better"].dominated_by == found["dear"].dominated_by == ()
    assert found["now"].dominated_by == ("better", "unsure")
    assert found["now"].surely_dominated_by == ("better",)
    assert found["unsure"].surely_dominated_by == ("better",)


def test_equal_models_dominate_neither() -> None:
    one, other = answers("one", [3, 4], [0.1, 0.2]), answers("other", [3, 4], [0.1, 0.2])
    assert [point.dominated_by for point in find_frontier(sample([0, 0], [9]), [one, other])] == [(), ()]


def test_prompts_that_are_the_same_make_nobody_surer() -> None:
    grades, usd = [2.9, 3.1] * 10, [1.0] * 20
    once = find_frontier(sample([0] * 20, [99]), [answers("a", grades, usd)])[0]
    alike = find_frontier(sample([0] * 20, [99], [0, 1] * 10), [answers("a", grades, usd)])[0]
    assert alike.grade.width > 3 * once.grade.width


def test_nothing_measured_is_unknown_and_nobody_dominates_it() -> None:
    now, lost = answers("now", [3, 3], [1, 1]), answers("lost", [NAN, NAN], [NAN, NAN])
    point = find_frontier(sample([0, 0], [5]), [now, lost])[1]
    assert not point.grade.is_known
    assert not point.usd.is_known
    assert point.dominated_by == ()
    assert point.represented == 0


@pytest.mark.parametrize(("n", "is_sure"), [(2, False), (5, False), (6, True)])
def test_a_handful_of_equal_grades_makes_nobody_sure(n: int, is_sure: bool) -> None:
    now, new = answers("now", [1.0] * n, [2.0] * n), answers("new", [1.0] * n, [1.0] * n)
    point, other = find_frontier(sample([0] * n, [100]), [now, new])
    assert point.dominated_by == ("new",)
    assert (point.surely_dominated_by == ("new",)) is is_sure
    assert other.grade_difference.value == 0
    assert (point.grade.has_interval, other.grade_difference.has_interval) == (is_sure, is_sure)


def test_intervals_end_where_grades_and_costs_do() -> None:
    (point,) = find_frontier(sample([0] * 4, [100]), [answers("a", [1, 1, 3, 5], [0.0, 0.0, 0.0, 9.0])])
    assert (point.grade.low, point.grade.high, point.usd.low) == (1, 5, 0)
    assert point.usd.high > 9
