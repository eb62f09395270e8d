"""The score interval of a proportion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.statistics.wilson import wilson_interval


def test_known_intervals() -> None:
    # R 4.3: prop.test(10, 100, correct = FALSE) and prop.test(0, 10, correct = FALSE)
    assert wilson_interval(10, 100) == pytest.approx((0.05522914, 0.17436566), abs=1e-6)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775328), abs=1e-6)


def test_nothing_seen_means_anything_is_possible() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(n=st.integers(1, 10_000_000), data=st.data())
def test_the_interval_holds_the_share_and_stays_within_0_and_1(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (1, -1)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(successes, n)
