"""Differences of figures: independent, over shared clusters, of pairs."""

import numpy as np
import pytest

from evaluators.statistics.differences import clustered_difference, difference, paired_difference
from evaluators.statistics.weighted import weighted_mean
from evaluators.statistics.wilson import wilson


def test_two_wilson_intervals_give_newcombes() -> None:
    # Newcombe 1998, table II, method 10: 56/70 - 48/80 and 9/10 - 3/10
    found = difference(wilson(56, 70), wilson(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    found = difference(wilson(9, 10), wilson(3, 10))
    assert (found.low, found.high) == pytest.approx((0.1705, 0.8090), abs=1e-4)


def test_what_two_sides_share_cancels() -> None:
    random = np.random.default_rng(5)
    prompts = np.arange(100)
    difficulty = random.normal(0, 3, 100)
    new, old = difficulty + 0.3 + random.normal(0, 0.5, 100), difficulty + random.normal(0, 0.5, 100)
    shared = clustered_difference(new, old, new_clusters=prompts, old_clusters=prompts)
    apart = clustered_difference(new, old, new_clusters=prompts, old_clusters=prompts + 100)
    assert shared.value == pytest.approx(apart.value)
    assert shared.excludes(0)
    assert not apart.excludes(0)
    paired = paired_difference(new, old)
    assert (shared.low, shared.high) == pytest.approx((paired.low, paired.high), abs=1e-9)


def test_sides_without_shared_clusters_are_as_independent_means() -> None:
    random = np.random.default_rng(6)
    new, old = random.normal(size=500), random.normal(size=400)
    found = clustered_difference(new, old, new_clusters=np.arange(500), old_clusters=np.arange(500, 900))
    apart = difference(weighted_mean(new), weighted_mean(old))
    assert (found.low, found.high) == pytest.approx((apart.low, apart.high), abs=2e-3)


def test_one_sides_weights_count() -> None:
    found = clustered_difference([1, 0], [0, 0], new_clusters=[1, 2], old_clusters=[1, 2], new_weights=[3, 1])
    assert found.value == 0.75


def test_an_empty_side_is_unknown() -> None:
    assert not clustered_difference([], [1.0], new_clusters=[], old_clusters=[1]).is_known


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        paired_difference([1, 2], [1])
