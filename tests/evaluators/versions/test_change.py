"""A line that moves: for the product's sake, the evaluator's, both, or nobody can tell."""

import pytest

from evaluators.statistics.estimate import Estimate, unknown
from evaluators.versions.change import Reading, attribute
from evaluators.versions.shift import NO_SHIFT, chain, mix, rate_shift, reverse


def about(value: float, half: float = 0.02, n: int = 500) -> Estimate:
    return Estimate(value, value - half, value + half, n)


BEFORE = Reading("v1", about(4.0))


@pytest.mark.parametrize(
    ("later", "bridge", "cause", "is_regression"),
    [
        pytest.param(Reading("v1", about(3.99)), None, "none", False, id="nothing moved"),
        pytest.param(Reading("v1", about(3.5)), None, "product", True, id="one version: the product"),
        pytest.param(
            Reading("v1", about(3.5)), about(-0.5), "product", True, id="one version needs no bridge"
        ),
        pytest.param(Reading("v1", about(4.5)), None, "product", False, id="better is no regression"),
        pytest.param(Reading("v2", about(3.5)), about(-0.5), "evaluator", False, id="a stricter judge"),
        pytest.param(
            Reading("v2", about(3.0)), about(-0.5), "both", True, id="stricter, and the product worse"
        ),
        pytest.param(Reading("v2", about(4.0)), about(0.5), "both", True, id="a kind judge hides a loss"),
        pytest.param(
            Reading("v2", about(3.5)), about(0.0), "product", True, id="an equal judge, a worse product"
        ),
        pytest.param(
            Reading("v2", about(4.0)), about(0.0), "none", False, id="an equal judge, the same product"
        ),
        pytest.param(Reading("v2", about(3.5)), None, "unknown", False, id="no bridge: nobody can tell"),
        pytest.param(
            Reading("v2", about(3.5)), unknown(3), "unknown", False, id="a bridge that says nothing"
        ),
        pytest.param(
            Reading("v2", about(3.4)),
            about(-0.5, 0.2),
            "evaluator",
            False,
            id="within the bridge's own doubt",
        ),
    ],
)
def test_what_moved_the_line(
    later: Reading, bridge: Estimate | None, cause: str, is_regression: bool
) -> None:
    change = attribute(BEFORE, later, bridge=bridge)

    assert change.cause == cause
    assert change.is_regression() is is_regression
    if change.product is not None and change.evaluator is not None:
        assert change.evaluator.value + change.product.value == pytest.approx(change.total.value)


def test_where_less_is_better_a_rise_is_the_regression() -> None:
    change = attribute(Reading("v1", about(0.1)), Reading("v1", about(0.3)))
    assert change.is_regression(better="down")
    assert not change.is_regression(better="up")


def test_a_shift_of_rates_counts_flips_not_rates() -> None:
    """As many flips there as back: no shift, and yet far more doubt than with none."""
    quiet = rate_shift(n=1000, n_from=300, n_to=300, n_flips=0)
    noisy = rate_shift(n=1000, n_from=300, n_to=300, n_flips=400)
    assert quiet.value == noisy.value == 0
    assert 0 < quiet.high < 0.005
    assert noisy.high > 0.03
    assert not noisy.excludes(0)


def test_a_shift_lies_in_its_interval() -> None:
    everything = rate_shift(n=50, n_from=0, n_to=50, n_flips=50)
    assert everything.low < everything.value == everything.high == 1
    assert not rate_shift(n=0, n_from=0, n_to=0, n_flips=0).is_known


@pytest.mark.parametrize("counts", [(10, 5, 9, 3), (10, 0, 0, 11)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int, int]) -> None:
    n, n_from, n_to, n_flips = counts
    with pytest.raises(ValueError, match=f"of {n}"):
        rate_shift(n=n, n_from=n_from, n_to=n_to, n_flips=n_flips)


def test_shifts_chain_reverse_and_mix() -> None:
    up, down = Estimate(0.2, 0.1, 0.4, 100), Estimate(-0.05, -0.15, 0.05, 300)
    both = chain([up, down])
    assert both.value == pytest.approx(0.15)
    assert (both.value - both.low, both.high - both.value) == pytest.approx((0.02**0.5, 0.05**0.5))
    assert both.n == 100
    assert reverse(up) == Estimate(-0.2, -0.4, -0.1, 100)
    assert mix([(300, up), (100, NO_SHIFT)]).value == pytest.approx(0.15)
    assert mix([]) == NO_SHIFT == mix([(5, NO_SHIFT)])
