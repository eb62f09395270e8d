"""Intervals and tests from sums: what the figures item by item say, for whole arrays."""

import numpy as np
import pytest
from scipy import stats

from evaluators.statistics.differences import difference
from evaluators.statistics.multiplicity import benjamini_hochberg
from evaluators.statistics.sums import (
    compare_means,
    compare_shares,
    mean_bounds,
    median_and_mad,
    variance_of,
    wilson_bounds,
)
from evaluators.statistics.weighted import weighted_mean
from evaluators.statistics.wilson import wilson, wilson_interval

HITS, N = np.array([0.0, 1, 30, 99, 100, 0]), np.array([100.0, 100, 100, 100, 100, 0])


def sums(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array([values.sum()]), np.array([(values**2).sum()]), np.array([float(len(values))])


def test_wilson_for_arrays_is_wilson_for_each() -> None:
    low, high = wilson_bounds(HITS, N)
    for index in range(5):
        assert (low[index], high[index]) == pytest.approx(wilson_interval(int(HITS[index]), 100))
    assert np.isnan([low[5], high[5]]).all()


def test_a_mean_from_sums_is_the_mean_of_the_items() -> None:
    values = np.random.default_rng(1).normal(3.0, 0.7, size=40)
    expected = weighted_mean(values)
    low, high = mean_bounds(*sums(values))
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))
    assert np.isnan(variance_of(*(np.array([x]) for x in (3.0, 9.0, 1.0)))).all()


def test_rounding_makes_no_negative_variance() -> None:
    total, squares, n = (np.array([x]) for x in (0.3 * 1e6, 0.09 * 1e6 - 1e-6, 1e6))
    assert variance_of(total, squares, n)[0] >= 0


def test_two_shares_have_the_pooled_test_and_newcombes_interval() -> None:
    found = compare_shares(*(np.array([x]) for x in (60.0, 200.0, 90.0, 200.0)))
    table = [[60, 140], [90, 110]]
    chi2 = stats.chi2_contingency(table, correction=False)
    expected = difference(wilson(60, 200), wilson(90, 200))
    assert 2 * found.p_down[0] == pytest.approx(chi2.pvalue)
    assert found.p_up[0] == pytest.approx(1 - found.p_down[0])
    assert (found.low[0], found.high[0]) == pytest.approx((expected.low, expected.high))


def test_two_means_have_welchs_test() -> None:
    generator = np.random.default_rng(2)
    new, old = generator.normal(3.0, 1.0, 35), generator.normal(3.6, 0.4, 80)
    found = compare_means(sums(new), sums(old))
    expected = stats.ttest_ind(new, old, equal_var=False, alternative="less")
    interval = expected.confidence_interval(0.95)
    assert found.p_down[0] == pytest.approx(expected.pvalue)
    both = stats.ttest_ind(new, old, equal_var=False).confidence_interval(0.95)
    assert (found.low[0], found.high[0]) == pytest.approx((both.low, both.high))
    assert interval.high > found.change[0]


def test_sides_without_spread_differ_for_certain_or_not_at_all() -> None:
    def side(value: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return sums(np.full(30, value))

    fallen, same = compare_means(side(3.0), side(4.0)), compare_means(side(3.0), side(3.0))
    assert (fallen.p_down[0], fallen.p_up[0]) == (0.0, 1.0)
    assert (same.p_down[0], same.p_up[0]) == (0.5, 0.5)


def test_q_values_are_scipys_and_pass_over_what_was_not_tested() -> None:
    p = np.array([0.001, 0.2, 0.03, 0.04, 0.9])
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    with_gap = benjamini_hochberg(np.array([0.001, np.nan, 0.2, 0.03, np.nan, 0.04, 0.9]))
    assert with_gap[~np.isnan(with_gap)] == pytest.approx(stats.false_discovery_control(p))
    assert np.isnan(with_gap[[1, 4]]).all()


def test_q_values_of_each_moment_are_its_own() -> None:
    grid = np.array([[0.01, 0.5], [0.9, 0.02], [np.nan, np.nan]])
    found = benjamini_hochberg(grid)
    assert found[:2] == pytest.approx(np.array([[0.02, 0.5], [0.9, 0.04]]))
    assert np.isnan(found[2]).all()
    assert benjamini_hochberg([]).size == 0


def test_the_median_passes_over_gaps() -> None:
    values = np.array([[1.0, np.nan, 4.0], [3.0, np.nan, np.nan], [2.0, np.nan, 8.0], [50.0, np.nan, 5.0]])
    median, mad = median_and_mad(values)
    assert median[[0, 2]] == pytest.approx([2.5, 5.0])
    assert mad[[0, 2]] == pytest.approx([np.median([1.5, 0.5, 0.5, 47.5]), 1.0])
    assert np.isnan([median[1], mad[1]]).all()
