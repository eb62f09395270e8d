"""The cluster bootstrap: whole clusters, seeded, honest where there is too little."""

import numpy as np
import pytest

from evaluators.statistics.bootstrap import bootstrap, resampled_counts
from evaluators.statistics.clusters import Floats


def mean(totals: Floats) -> Floats:
    """Of sums (value, number)."""
    return np.divide(totals[:, 0], totals[:, 1], out=np.full(len(totals), np.nan), where=totals[:, 1] > 0)


def test_every_sample_draws_as_many_clusters_as_there_are() -> None:
    blocks = list(resampled_counts(7, n_resamples=30))
    counts = np.concatenate(blocks)
    assert counts.shape == (30, 7)
    assert (counts.sum(axis=1) == 7).all()


def test_large_draws_come_in_blocks_and_are_the_same_size_in_all() -> None:
    sizes = [len(block) for block in resampled_counts(1_500_000, n_resamples=5)]
    assert sizes == [2, 2, 1]


def test_the_interval_of_a_mean_is_near_students() -> None:
    values = np.random.default_rng(1).normal(10, 2, 300)
    found = bootstrap(np.stack([values, np.ones(300)], axis=1), mean, n=300)
    assert found.value == pytest.approx(values.mean())
    assert found.width == pytest.approx(2 * 1.96 * values.std() / np.sqrt(300), rel=0.08)


def test_a_skewed_statistic_gets_a_skewed_interval() -> None:
    values = np.random.default_rng(2).exponential(1, 60)
    found = bootstrap(np.stack([values, np.ones(60)], axis=1), mean, n=60)
    assert found.high - found.value > 1.1 * (found.value - found.low)


def test_a_statistic_that_many_draws_lack_has_no_interval() -> None:
    # One cluster alone has items: a third of the draws miss it.
    totals = np.zeros((40, 2))
    totals[0] = [3.0, 4.0]
    found = bootstrap(totals, mean, n=4)
    assert found.value == 0.75
    assert not found.has_interval


def test_equal_clusters_leave_nothing_to_chance() -> None:
    found = bootstrap(np.tile([2.0, 4.0], (30, 1)), mean, n=120)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_no_clusters_are_unknown() -> None:
    assert not bootstrap(np.zeros((0, 2)), mean, n=0).is_known
