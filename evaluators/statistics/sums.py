"""Intervals and tests from sums, for whole arrays at once: hits of n, and totals with their squares.

The arrays of a call have one shape. What cannot be said (n of 0, one item's spread) is NaN, never 0.
"""

from dataclasses import dataclass

import numpy as np

from evaluators.statistics.clusters import Floats
from evaluators.statistics.estimate import critical_value

# The median absolute deviation of a normal spread times this is its standard deviation (Rousseeuw and Croux
# 1993, JASA 88, 1273).
MAD_SCALE = 1.4826


@dataclass(frozen=True, slots=True)
class Test:
    """A difference (new minus old) with its 95 % interval, and one-sided p-values of a rise and a fall."""

    __test__ = False  # no test of pytest's

    change: Floats
    low: Floats
    high: Floats
    p_up: Floats
    p_down: Floats


def wilson_bounds(hits: Floats, n: Floats, *, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The ends of `wilson_interval` for arrays; NaN where `n` is 0. Hits beyond 0 to n count as the end."""
    reach = critical_value(confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(hits / n, 0.0, 1.0)
        scale = 1 + reach * reach / n
        centre = (share + reach * reach / (2 * n)) / scale
        half = reach * np.sqrt(share * (1 - share) / n + reach * reach / (4 * n * n)) / scale
        low = np.where(share == 0.0, 0.0, np.maximum(0.0, centre - half))
        high = np.where(share == 1.0, 1.0, np.minimum(1.0, centre + half))
    is_known = n > 0
    return np.where(is_known, low, np.nan), np.where(is_known, high, np.nan)


def variance_of(total: Floats, squares: Floats, n: Floats) -> Floats:
    """The sample variance from sums; NaN below two items, never below 0 for rounding."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (squares - total * total / n) / (n - 1)
    return np.where(n > 1, np.maximum(found, 0.0), np.nan)


def mean_bounds(
    total: Floats, squares: Floats, n: Floats, *, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """The ends of Student's interval of the mean; NaN below two items."""
    from scipy.special import stdtrit  # takes a moment to load, and shares do without it

    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        reach = stdtrit(np.maximum(n - 1, 1), 0.5 + confidence / 2)
        half = reach * np.sqrt(variance_of(total, squares, n) / n)
    return mean - half, mean + half


def compare_shares(new_hits: Floats, new_n: Floats, old_hits: Floats, old_n: Floats) -> Test:
    """Two proportions: the pooled score test, and Newcombe's interval from the two of Wilson (method 10)."""
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore"):
        new, old = new_hits / new_n, old_hits / old_n
        change = new - old
        pooled = (new_hits + old_hits) / (new_n + old_n)
        error = np.sqrt(np.maximum(0.0, pooled * (1 - pooled)) * (1 / new_n + 1 / old_n))
        # Where all hit or none, both sides are the same.
        z = np.where(error > 0, change / error, np.where(np.isnan(change), np.nan, 0.0))
        new_low, new_high = wilson_bounds(new_hits, new_n)
        old_low, old_high = wilson_bounds(old_hits, old_n)
        below = np.hypot(new - new_low, old_high - old)
        above = np.hypot(new_high - new, old - old_low)
    return Test(change, change - below, change + above, ndtr(-z), ndtr(z))


def compare_means(
    new: tuple[Floats, Floats, Floats], old: tuple[Floats, Floats, Floats], *, confidence: float = 0.95
) -> Test:
    """Two means, each as (total, squares, n): Welch's test and interval (Welch 1947, Biometrika 34, 28)."""
    from scipy.special import stdtr, stdtrit

    (new_total, _, new_n), (old_total, _, old_n) = new, old
    with np.errstate(divide="ignore", invalid="ignore"):
        change = new_total / new_n - old_total / old_n
        ours, theirs = variance_of(*new) / new_n, variance_of(*old) / old_n
        error = np.sqrt(ours + theirs)
        # Two sides without any spread: Satterthwaite's degrees are 0/0, and the difference is certain.
        degrees = (ours + theirs) ** 2 / (ours**2 / (new_n - 1) + theirs**2 / (old_n - 1))
        degrees = np.where(error > 0, degrees, np.minimum(new_n, old_n) - 1)
        t = np.where(error > 0, change / error, np.where(change == 0, 0.0, np.sign(change) * np.inf))
        t = np.where(np.isnan(error) | np.isnan(change), np.nan, t)
        half = stdtrit(np.maximum(degrees, 1.0), 0.5 + confidence / 2) * error
    return Test(
        change, change - half, change + half, _tail(stdtr(degrees, -t), t), _tail(stdtr(degrees, t), -t)
    )


def median_and_mad(values: Floats) -> tuple[Floats, Floats]:
    """The median and the median absolute deviation over the first axis, without NaN; NaN where all are."""
    median = _median(values)
    return median, _median(np.abs(values - median))


def _median(values: Floats) -> Floats:
    """Sorted, NaN comes last: much faster than numpy's own for a few rows of many columns."""
    ordered = np.sort(values, axis=0)
    n = np.isfinite(ordered).sum(axis=0, keepdims=True)
    lower = np.take_along_axis(ordered, np.maximum((n - 1) // 2, 0), axis=0)[0]
    upper = np.take_along_axis(ordered, np.minimum(n // 2, len(ordered) - 1), axis=0)[0]
    return np.where(n[0] > 0, (lower + upper) / 2, np.nan)


def _tail(p: Floats, t: Floats) -> Floats:
    """Student's function knows no infinity everywhere: there the p-value is 0 or 1."""
    return np.where(np.isinf(t), np.where(t > 0, 0.0, 1.0), p)
