"""Spearman's rank correlation with a cluster-bootstrap interval."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.statistics.bootstrap import N_RESAMPLES, SEED, interval_of, resampled_counts
from evaluators.statistics.clusters import Floats, Indices, codes_of, floats
from evaluators.statistics.estimate import Estimate, unknown

# Weights of 2 million items at a time are 16 MB, and there are some six such arrays.
_CHUNK = 2_000_000


def spearman(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> Estimate:
    """Spearman's rho of two equally long series; ties have their middle rank. Unknown for a constant one.

    A drawn sample is a weight an item, and its ranks are sums of weights, so nothing is sorted again.
    """
    one, two = floats(first, name="first"), floats(second, name="second")
    if len(one) != len(two):
        raise ValueError(f"{len(one)} values and {len(two)}")
    n = len(one)
    if n == 0:
        return unknown()
    codes, n_clusters = codes_of(clusters, n=n)
    groups = [_groups(one), _groups(two)]
    value = float(_correlations(np.ones((1, n)), groups)[0])
    if not np.isfinite(value) or n_clusters < 2:
        return Estimate(value, float("nan"), float("nan"), n)
    drawn: list[Floats] = []
    for counts in resampled_counts(n_clusters, n_resamples=n_resamples, seed=seed):
        step = max(1, _CHUNK // n)
        parts = (counts[start : start + step] for start in range(0, len(counts), step))
        drawn += [_correlations(part[:, codes], groups) for part in parts]
    # Leaving each cluster out in turn would cost G more passes; rho is nearly symmetric once it is that sure.
    return interval_of(np.concatenate(drawn), value=value, left_out=np.empty(0), n=n)


def _groups(values: NDArray[Any]) -> Indices:
    """The number of each item's value among the distinct ones, in order."""
    return np.unique(values, return_inverse=True)[1].reshape(len(values))


def _correlations(weights: Floats, groups: list[Indices]) -> Floats:
    """Weighted correlations of the middle ranks: B by n weights in, B values out."""
    totals = weights.sum(axis=1, keepdims=True)
    one, two = (_middle_ranks(weights, group) for group in groups)
    one -= (weights * one).sum(axis=1, keepdims=True) / totals
    two -= (weights * two).sum(axis=1, keepdims=True) / totals
    together = (weights * one * two).sum(axis=1)
    spread = np.sqrt((weights * one**2).sum(axis=1) * (weights * two**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, together / spread, np.nan)


def _middle_ranks(weights: Floats, group: Indices) -> Floats:
    """Each item's rank in each weighted sample; `group` numbers the distinct values in order."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    sums = np.add.reduceat(weights[:, order], starts, axis=1)
    middles = np.cumsum(sums, axis=1) - sums / 2
    return middles[:, group]
