"""Weighted and clustered means and rates, against hand-made and published values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.statistics.estimate import critical_value
from evaluators.statistics.weighted import weighted_mean, weighted_rate
from evaluators.statistics.wilson import wilson


def test_a_plain_mean_has_students_interval() -> None:
    # R 4.3: t.test(c(1, 2, 3, 4, 10)) gives 4 and (-0.3899, 8.3899)
    found = weighted_mean([1, 2, 3, 4, 10])
    assert (found.value, found.low, found.high) == pytest.approx((4.0, -0.38995, 8.38995), abs=1e-4)
    assert found.n == 5


def test_weights_undo_a_sampling_that_favours_failures() -> None:
    # 2 of 20 fail; every failing call and one in six of the others is judged.
    found = weighted_mean([0, 0, 1, 1, 1], weights=[1, 1, 6, 6, 6])
    assert found.value == pytest.approx(18 / 20)


def test_repeating_each_item_inside_its_cluster_adds_no_certainty() -> None:
    random = np.random.default_rng(3)
    values = random.normal(size=40)
    clusters = np.arange(40)
    once = weighted_mean(values, clusters=clusters)
    tenfold = weighted_mean(np.repeat(values, 10), clusters=np.repeat(clusters, 10))
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    unaware = weighted_mean(np.repeat(values, 10))
    assert unaware.width < tenfold.width / 3


def test_clusters_may_be_names() -> None:
    values = [1.0, 2.0, 4.0, 4.0]
    by_name = weighted_mean(values, clusters=["b", "a", "b", "c"])
    assert by_name == weighted_mean(values, clusters=[1, 0, 1, 2])


def test_a_rate_without_weights_and_clusters_is_wilsons() -> None:
    assert weighted_rate([True] * 10 + [False] * 90) == wilson(10, 100)


def test_a_rate_stays_within_0_and_1_where_a_mean_would_not() -> None:
    passed = [1] * 58 + [0] * 2
    found = weighted_rate(passed, weights=[1, 3] * 30)
    assert 0 < found.low < found.value < found.high < 1
    assert weighted_mean(passed, weights=[1, 3] * 30).high > 1


def test_where_all_pass_a_cluster_counts_as_one_item() -> None:
    found = weighted_rate([1.0] * 40, clusters=np.repeat(np.arange(8), 5))
    z, t = critical_value(0.95), critical_value(0.95, degrees=7)
    size = 8 * (z / t) ** 2
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(size / (size + z * z))
    assert found.low < weighted_rate([1.0] * 40).low


def test_nothing_but_ties_is_uncertain_too() -> None:
    found = weighted_rate([0.5] * 30, clusters=np.repeat(np.arange(15), 2))
    assert found.has_interval
    assert found.low < 0.4
    assert found.high > 0.6


def test_rounding_in_unequal_weights_makes_no_false_certainty() -> None:
    # Here all pass and the variance comes out as 1e-32, not 0.
    found = weighted_rate([1] * 30, weights=1 / np.arange(1, 31))
    assert found.width > 0.2


def test_a_single_cluster_has_a_value_and_no_interval() -> None:
    for found in (
        weighted_mean([1, 2, 3], clusters=["one"] * 3),
        weighted_rate([1, 0, 1], clusters=["one"] * 3),
    ):
        assert found.is_known
        assert not found.has_interval
        assert not found.excludes(-1)


def test_no_items_are_unknown_and_not_zero() -> None:
    assert not weighted_mean([]).is_known
    assert not weighted_rate([]).is_known
    assert not weighted_mean([1.0], weights=[0]).is_known


@pytest.mark.parametrize(
    ("values", "given"),
    [
        ([1.0, float("nan")], {}),
        ([1.0, 2.0], {"weights": [1.0]}),
        ([1.0, 2.0], {"weights": [1.0, -1.0]}),
        ([1.0, 2.0], {"clusters": ["a"]}),
        ([[1.0], [2.0]], {}),
    ],
)
def test_unscored_or_misshapen_values_are_refused(values: list[float], given: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match=r"finite|weights|clusters|dimension"):
        weighted_mean(values, **given)


def test_a_rate_of_other_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        weighted_rate([1, 5])


@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(2, 9), st.data())
def test_a_rate_always_lies_inside_its_interval(
    passed: list[bool], n_clusters: int, data: st.DataObject
) -> None:
    clusters = data.draw(st.lists(st.integers(0, n_clusters), min_size=len(passed), max_size=len(passed)))
    found = weighted_rate(passed, clusters=clusters)
    if len(set(clusters)) > 1:
        assert 0 <= found.low <= found.value <= found.high <= 1
    else:
        assert not found.has_interval
