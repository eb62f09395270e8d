"""Arrays as the statistics take them: checked values, weights, and clusters as numbers from 0."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def floats(values: ArrayLike, *, name: str = "values") -> Floats:
    """A one-dimensional array of finite numbers. Raises ValueError for anything else, NaN too.

    An unscored item is not a number: whoever counts it leaves it out and says so.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite: leave unscored items out")
    return array


def weights_of(weights: ArrayLike | None, *, n: int) -> Floats:
    """The weights, 1 each where there are none. Raises ValueError unless there are `n`, none negative."""
    if weights is None:
        return np.ones(n)
    array = floats(weights, name="weights")
    if len(array) != n or (array < 0).any():
        raise ValueError(f"{len(array)} weights for {n} values, the least {array.min(initial=0)}")
    return array


def codes_of(clusters: ArrayLike | None, *, n: int) -> tuple[Indices, int]:
    """Cluster numbers 0 … G-1 of the items, and G; each item is its own cluster where none are given.

    `clusters` are names or numbers, one an item. Raises ValueError where they are not `n`.
    """
    if clusters is None:
        return np.arange(n), n
    labels: NDArray[Any] = np.asarray(clusters)
    if labels.shape != (n,):
        raise ValueError(f"{labels.shape} clusters for {n} values")
    found, codes = np.unique(labels, return_inverse=True)
    return codes.reshape(n), len(found)


def totals_by_cluster(rows: Floats, codes: Indices, *, n_clusters: int) -> Floats:
    """Sums of the rows (n items by k columns, or n items) by cluster: G by k, or G."""
    if rows.ndim == 1:
        return np.bincount(codes, weights=rows, minlength=n_clusters).astype(np.float64)
    totals = np.zeros((n_clusters, rows.shape[1]))
    np.add.at(totals, codes, rows)
    return totals


def clustered_variance(contributions: Floats, codes: Indices, *, n_clusters: int) -> float:
    """The variance of a sum of contributions that are alike within clusters: the sandwich with G / (G - 1).

    `contributions` are the linearised ones (they sum to 0). NaN below two clusters. Source: Liang and Zeger
    1986, Biometrika 73, 13–22; for ratios Särndal, Swensson and Wretman 1992, section 5.6.
    """
    if n_clusters < 2:
        return float("nan")
    totals = totals_by_cluster(contributions, codes, n_clusters=n_clusters)
    return float(totals @ totals) * n_clusters / (n_clusters - 1)
