"""Differences between two figures: of independent samples, of samples that share clusters, of pairs."""

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from evaluators.statistics.clusters import clustered_variance, codes_of, floats, weights_of
from evaluators.statistics.estimate import Estimate, critical_value, unknown
from evaluators.statistics.weighted import influence, weighted_mean


def difference(new: Estimate, old: Estimate) -> Estimate:
    """`new` minus `old`, two independent estimates, from their own intervals; `n` is that of both together.

    For two Wilson intervals this is Newcombe's method 10, which keeps its coverage near 0 and 1 (Newcombe
    1998, Statistics in Medicine 17, 873; in general Zou and Donner 2008, ibid. 27, 1693).
    """
    value = new.value - old.value
    below = sqrt((new.value - new.low) ** 2 + (old.high - old.value) ** 2)
    above = sqrt((new.high - new.value) ** 2 + (old.value - old.low) ** 2)
    return Estimate(value, value - below, value + above, new.n + old.n)


def clustered_difference(
    new: ArrayLike,
    old: ArrayLike,
    *,
    new_clusters: ArrayLike,
    old_clusters: ArrayLike,
    new_weights: ArrayLike | None = None,
    old_weights: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Weighted mean of `new` minus that of `old`, where both sides may share clusters.

    The same prompt answered by two models, or a user seen in both weeks, moves both means alike: that part
    cancels here, and would be counted twice by `difference`.
    """
    ours, theirs = floats(new, name="new"), floats(old, name="old")
    w_new = weights_of(new_weights, n=len(ours))
    w_old = weights_of(old_weights, n=len(theirs))
    n = len(ours) + len(theirs)
    if not (w_new.sum() > 0 and w_old.sum() > 0):
        return unknown(n)
    labels = np.concatenate([np.asarray(new_clusters), np.asarray(old_clusters)])
    codes, n_clusters = codes_of(labels, n=n)
    moves = np.concatenate([influence(ours, w_new), -influence(theirs, w_old)])
    variance = clustered_variance(moves, codes, n_clusters=n_clusters)
    value = float(np.average(ours, weights=w_new) - np.average(theirs, weights=w_old))
    # The smaller side limits how well the variance is known.
    degrees = min(len(np.unique(codes[: len(ours)])), len(np.unique(codes[len(ours) :]))) - 1
    half = critical_value(confidence, degrees=max(1, degrees)) * sqrt(variance)
    return Estimate(value, value - half, value + half, n)


def paired_difference(
    new: ArrayLike,
    old: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """The mean of `new` minus `old` of the same items: what both share cancels; `n` is the pairs.

    Raises ValueError where the two are not of one length.
    """
    ours, theirs = floats(new, name="new"), floats(old, name="old")
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} items and {len(theirs)} are no pairs")
    return weighted_mean(ours - theirs, weights=weights, clusters=clusters, confidence=confidence)
