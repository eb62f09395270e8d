"""The cluster bootstrap: whole clusters are drawn again, because their items are not independent.

Statistics here are functions of sums (a table of counts, say), so a draw is one product of matrices and no
item is ever copied. Seeded: the same data give the same interval.
"""

from collections.abc import Callable, Iterator
from math import nan
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from evaluators.statistics.clusters import Floats
from evaluators.statistics.estimate import Estimate, critical_value, unknown

SEED = 20_260_101
N_RESAMPLES = 2_000
# 4 million counts at a time are 32 MB.
_CHUNK = 4_000_000
# Draws in which the statistic has no value (a class that was not drawn) say how little there is.
_MOST_UNDEFINED = 0.05

Statistic = Callable[[Floats], Floats]


def bootstrap(
    totals: Floats,
    statistic: Statistic,
    *,
    n: int,
    confidence: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> Estimate:
    """A statistic of sums with its bias-corrected and accelerated interval (BCa; Efron 1987, JASA 82, 171).

    `totals` are the sums by cluster (G by k); `statistic` takes sums of many samples (B by k) and gives B
    values, NaN where there is none. `n` is the number of items, only reported. There is no interval for a
    single cluster, nor where over 5 % of the draws have no value.
    """
    n_clusters = len(totals)
    value = float(statistic(totals.sum(axis=0, keepdims=True))[0]) if n_clusters else nan
    if not np.isfinite(value):
        return unknown(n)
    if n_clusters < 2:
        return Estimate(value, nan, nan, n)
    drawn = np.concatenate(
        [
            statistic(counts @ totals)
            for counts in resampled_counts(n_clusters, n_resamples=n_resamples, seed=seed)
        ]
    )
    left_out = statistic(totals.sum(axis=0) - totals)
    return interval_of(drawn, value=value, left_out=left_out, n=n, confidence=confidence)


def resampled_counts(n_clusters: int, *, n_resamples: int, seed: int = SEED) -> Iterator[Floats]:
    """How often each cluster is drawn in each of `n_resamples` samples: blocks of rows by G columns."""
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // n_clusters)
    for start in range(0, n_resamples, step):
        n_rows = min(step, n_resamples - start)
        chosen = generator.integers(n_clusters, size=(n_rows, n_clusters))
        chosen += np.arange(n_rows)[:, None] * n_clusters
        counts = np.bincount(chosen.ravel(), minlength=n_rows * n_clusters)
        yield counts.reshape(n_rows, n_clusters).astype(np.float64)


def interval_of(
    drawn: Floats, *, value: float, left_out: Floats, n: int, confidence: float = 0.95
) -> Estimate:
    """The BCa interval from the draws and the values without one cluster each; see `bootstrap`."""
    known = drawn[np.isfinite(drawn)]
    if len(known) < (1 - _MOST_UNDEFINED) * len(drawn):
        return Estimate(value, nan, nan, n)
    levels = _levels(known, value=value, left_out=left_out[np.isfinite(left_out)], confidence=confidence)
    low, high = np.quantile(known, levels)
    return Estimate(value, float(low), float(high), n)


def _levels(drawn: Floats, *, value: float, left_out: Floats, confidence: float) -> list[float]:
    """Which quantiles of the draws are the ends; the plain ones where all draws lie on one side."""
    normal = NormalDist()
    z = critical_value(confidence)
    # Of discrete statistics many draws equal the value: half of them count as below.
    same = np.isclose(drawn, value)
    below = float(np.mean(np.where(same, 0.5, drawn < value)))
    if not 0 < below < 1:
        return [normal.cdf(-z), normal.cdf(z)]
    bias = normal.inv_cdf(below)
    acceleration = _acceleration(left_out)
    return [_level(bias, acceleration, end, normal=normal) for end in (-z, z)]


def _level(bias: float, acceleration: float, end: float, *, normal: NormalDist) -> float:
    shifted = bias + end
    return normal.cdf(bias + shifted / (1 - acceleration * shifted))


def _acceleration(left_out: NDArray[np.float64]) -> float:
    if len(left_out) < 2:
        return 0.0
    away = left_out.mean() - left_out
    spread = float((away @ away) ** 1.5)
    return float((away**3).sum() / (6 * spread)) if spread > 0 else 0.0
