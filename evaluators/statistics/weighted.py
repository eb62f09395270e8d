"""Weighted (Hájek) means and rates whose intervals know that items of one cluster are alike."""

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from evaluators.statistics.clusters import Floats, Indices, clustered_variance, codes_of, floats, weights_of
from evaluators.statistics.estimate import Estimate, critical_value, unknown
from evaluators.statistics.wilson import score_interval, wilson


def weighted_mean(
    values: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """The mean of values weighted by 1 / inclusion probability, its interval robust to clusters.

    `clusters` are what items share that makes them alike: a conversation, a prompt, a cached verdict. The
    interval is Student's with G - 1 degrees, so it is honest from some twenty clusters on; there is none for
    a single cluster. Raises ValueError for NaN, negative weights or arrays of different lengths.
    """
    numbers = floats(values)
    n = len(numbers)
    held = weights_of(weights, n=n)
    codes, n_clusters = codes_of(clusters, n=n)
    if n == 0 or held.sum() == 0:
        return unknown(n)
    mean = float(held @ numbers / held.sum())
    variance = clustered_variance(influence(numbers, held), codes, n_clusters=n_clusters)
    half = critical_value(confidence, degrees=max(1, n_clusters - 1)) * sqrt(variance)
    return Estimate(mean, mean - half, mean + half, n)


def weighted_rate(
    passed: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """The share of what passed (booleans, or 0 to 1), weighted, its interval within 0 and 1.

    Without weights and clusters this is Wilson's interval. Otherwise it is Wilson's for the effective number
    of items: how many independent ones would be as sure (Korn and Graubard 1998, Survey Methodology 24,
    193–201). Where all passed or none, the variance is 0 and says nothing; then every cluster counts as one
    item. There is no interval for a single cluster.
    """
    numbers = floats(np.asarray(passed, dtype=np.float64))
    if ((numbers < 0) | (numbers > 1)).any():
        raise ValueError("a rate is of values from 0 to 1")
    n = len(numbers)
    is_counting = weights is None and clusters is None and bool(np.isin(numbers, (0.0, 1.0)).all())
    if is_counting:
        return wilson(int(numbers.sum()), n, confidence=confidence)
    held = weights_of(weights, n=n)
    codes, n_clusters = codes_of(clusters, n=n)
    if n == 0 or held.sum() == 0:
        return unknown(n)
    share = min(1.0, max(0.0, float(held @ numbers / held.sum())))
    variance = clustered_variance(influence(numbers, held), codes, n_clusters=n_clusters)
    # Rounding leaves some 1e-34 where all values are equal; a true variance is far above 1e-20.
    is_silent = variance < 1e-20
    size = _independent_size(held, codes, n_clusters=n_clusters) if is_silent else None
    low, high = rate_interval(
        share, variance=variance, degrees=n_clusters - 1, size=size, confidence=confidence
    )
    return Estimate(share, low, high, n)


def rate_interval(
    share: float, *, variance: float, degrees: float, confidence: float, size: float | None = None
) -> tuple[float, float]:
    """The score interval of a share whose estimate has this variance, by its effective number of items.

    `size` replaces that number where the variance is 0. NaN for both where the variance is not known.
    """
    if size is None:
        size = share * (1 - share) / variance if variance > 0 else float("nan")
    # Student's t only shortens the effective size, so that the interval's shape stays Wilson's.
    z, t = critical_value(confidence), critical_value(confidence, degrees=max(1.0, degrees))
    low, high = score_interval(share, n=size * (z / t) ** 2, reach=z)
    # At 0 and 1 the formula is off by the last bit.
    return min(low, share), max(high, share)


def influence(values: Floats, weights: Floats) -> Floats:
    """How much each item moves the weighted mean: w (y - mean) / sum of w; sums to 0."""
    total = weights.sum()
    return weights * (values - weights @ values / total) / total


def _independent_size(weights: Floats, codes: Indices, *, n_clusters: int) -> float:
    """Kish's effective number of clusters: equal ones count fully, a heavy one hides the others."""
    totals = np.bincount(codes, weights=weights, minlength=n_clusters)
    return float(totals.sum() ** 2 / (totals @ totals))
