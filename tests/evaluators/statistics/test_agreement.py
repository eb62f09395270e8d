"""Kappa, alpha, Spearman, precision and recall against published values."""

import numpy as np
import pytest

from evaluators.statistics.agreement import agreement, cohen_kappa
from evaluators.statistics.alpha import krippendorff_alpha
from evaluators.statistics.correlation import spearman
from evaluators.statistics.detection import detection

NAN = float("nan")


def ratings(text: str) -> np.ndarray:
    """Raters as rows of digits, `*` for silence: items by raters."""
    rows = [[NAN if sign == "*" else float(sign) for sign in row] for row in text.split()]
    return np.array(rows).T


# 15 units and three coders, the worked example of Wikipedia's article on alpha.
EXAMPLE = ratings("*****34121133*3 1*213343******* **21344*21133*4")


def test_kappa_of_a_known_table() -> None:
    # Cohen's kappa on Wikipedia: 20 and 15 agreed of 50, kappa 0.4
    one = ["y"] * 25 + ["n"] * 25
    two = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    found = agreement(one, two)
    assert (found.raw.value, found.raw.n) == (0.7, 50)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.kappa.n == 50


def test_the_interval_of_kappa_is_near_the_asymptotic_one() -> None:
    # Fleiss, Cohen and Everitt 1969: the standard error of the table above is 0.1317 (0.0932 for twice of it)
    one = ["y"] * 25 + ["n"] * 25
    two = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    found = cohen_kappa(one * 8, two * 8)
    assert found.width == pytest.approx(2 * 1.96 * 0.1273 / np.sqrt(8), rel=0.1)


def test_weighted_kappa_counts_how_far_apart_grades_are() -> None:
    one, two = [1, 2, 3, 4, 5, 1], [1, 2, 3, 4, 4, 5]
    near, far = (
        cohen_kappa(one[:5], two[:5], weighting="quadratic"),
        cohen_kappa(one, two, weighting="quadratic"),
    )
    assert near.value > 0.9
    assert far.value < 0.4
    # scikit-learn 1.9: cohen_kappa_score(one, two, weights=...)
    assert far.value == pytest.approx(0.33766233766233766)
    assert cohen_kappa(one, two, weighting="linear").value == pytest.approx(0.5)
    assert cohen_kappa(one, two).value == pytest.approx(0.5862068965517242)


def test_raters_of_one_verdict_have_agreement_and_no_kappa() -> None:
    found = agreement(["pass"] * 30, ["pass"] * 30)
    assert found.raw.value == 1
    assert not found.kappa.is_known


def test_agreement_on_rare_failures_is_mostly_chance() -> None:
    random = np.random.default_rng(1)
    one, two = random.random(2_000) < 0.95, random.random(2_000) < 0.95
    found = agreement(one, two)
    assert found.raw.value > 0.88
    assert abs(found.kappa.value) < 0.06
    assert not found.kappa.excludes(0)


def test_repeated_items_of_a_cluster_widen_kappa() -> None:
    random = np.random.default_rng(2)
    one = random.random(60) < 0.5
    two = np.where(random.random(60) < 0.8, one, ~one)
    clusters = np.repeat(np.arange(60), 5)
    aware = cohen_kappa(np.repeat(one, 5), np.repeat(two, 5), clusters=clusters)
    unaware = cohen_kappa(np.repeat(one, 5), np.repeat(two, 5))
    assert aware.width > 1.8 * unaware.width
    assert aware.width == pytest.approx(cohen_kappa(one, two).width, rel=0.1)


def test_the_same_data_give_the_same_interval() -> None:
    random = np.random.default_rng(4)
    one, two = random.integers(0, 3, 90), random.integers(0, 3, 90)
    assert cohen_kappa(one, two) == cohen_kappa(one, two)
    assert cohen_kappa(one, two) != cohen_kappa(one, two, seed=5)


def test_one_cluster_has_no_interval() -> None:
    found = cohen_kappa(["a", "b", "a"], ["a", "b", "b"], clusters=[1, 1, 1])
    assert found.is_known
    assert not found.has_interval


@pytest.mark.parametrize(("level", "value"), [("nominal", 0.691), ("ordinal", 0.807), ("interval", 0.811)])
def test_alpha_of_krippendorffs_example(level: str, value: float) -> None:
    found = krippendorff_alpha(EXAMPLE, level=level)  # type: ignore[arg-type]
    assert round(found.value, 3) == value
    # Of 15 units, three were coded by one coder or none.
    assert found.n == 12


def test_alpha_of_a_single_value_is_unknown() -> None:
    assert not krippendorff_alpha([[1, 1], [1, 1]]).is_known
    assert not krippendorff_alpha([[1, NAN], [NAN, 2]]).is_known


def test_spearman_with_ties() -> None:
    # scipy 1.17: spearmanr([1, 2, 2, 4, 5, 7], [1, 3, 2, 2, 6, 5])
    found = spearman([1, 2, 2, 4, 5, 7], [1, 3, 2, 2, 6, 5])
    from scipy.stats import spearmanr

    assert found.value == pytest.approx(spearmanr([1, 2, 2, 4, 5, 7], [1, 3, 2, 2, 6, 5]).statistic)
    assert found.n == 6


def test_a_resample_of_spearman_is_that_of_the_repeated_items() -> None:
    from scipy.stats import spearmanr

    from evaluators.statistics.correlation import _correlations, _groups

    random = np.random.default_rng(7)
    one, two = random.integers(0, 6, 40), random.normal(size=40)
    counts = np.bincount(random.integers(0, 40, 40), minlength=40)
    weighted = _correlations(counts[None, :].astype(float), [_groups(one), _groups(two)])[0]
    repeated = spearmanr(np.repeat(one, counts), np.repeat(two, counts)).statistic
    assert weighted == pytest.approx(repeated)


def test_a_constant_has_no_rank_correlation() -> None:
    assert not spearman([1, 1, 1], [1, 2, 3]).is_known


def test_detection_counts_what_was_found_and_what_was_flagged() -> None:
    flagged = [True] * 30 + [False] * 70
    failing = [True] * 20 + [False] * 10 + [True] * 5 + [False] * 65
    found = detection(flagged, failing)
    assert (found.precision.value, found.precision.n) == (pytest.approx(20 / 30), 30)
    assert (found.recall.value, found.recall.n) == (0.8, 25)
    assert (found.specificity.value, found.specificity.n) == (pytest.approx(65 / 75), 75)


def test_what_never_fails_has_no_recall() -> None:
    found = detection([False, True], [False, False])
    assert not found.recall.is_known
    assert found.precision.value == 0


def test_ratings_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="ratings"):
        agreement(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="ratings"):
        cohen_kappa(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="verdicts"):
        detection([True], [True, False])
