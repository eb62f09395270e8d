"""Krippendorff's alpha: agreement of any number of raters who need not all have rated everything."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evaluators.statistics.bootstrap import N_RESAMPLES, SEED, Statistic, bootstrap
from evaluators.statistics.clusters import Floats, codes_of, totals_by_cluster
from evaluators.statistics.estimate import Estimate, unknown

Level = Literal["nominal", "ordinal", "interval"]


def krippendorff_alpha(
    ratings: ArrayLike,
    *,
    level: Level = "nominal",
    clusters: ArrayLike | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> Estimate:
    """Alpha of ratings (items by raters, NaN where a rater is silent), with a cluster-bootstrap interval.

    `n` counts the items that at least two have rated; others say nothing of agreement. Unknown without such
    an item or with one value only. Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability".
    The coincidences of items add up, so that a draw of clusters is a product of matrices.
    """
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"ratings must be items by raters, not of {table.ndim} dimensions")
    rated = np.isfinite(table).sum(axis=1) >= 2
    table = table[rated]
    n = len(table)
    values = np.unique(table[np.isfinite(table)])
    if n == 0 or len(values) < 2:
        return unknown(n)
    names = None if clusters is None else np.asarray(clusters)[rated]
    codes, n_clusters = codes_of(names, n=n)
    totals = totals_by_cluster(_coincidences(table, values), codes, n_clusters=n_clusters)
    return bootstrap(totals, _alpha_of(values, level=level), n=n, n_resamples=n_resamples, seed=seed)


def _coincidences(table: Floats, values: Floats) -> Floats:
    """Each item's ordered pairs of values, each divided by the item's ratings less 1: n by k²."""
    counts = (table[:, :, None] == values).sum(axis=1).astype(np.float64)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(len(values))
    pairs[:, diagonal, diagonal] -= counts
    pairs /= (counts.sum(axis=1) - 1)[:, None, None]
    return pairs.reshape(len(table), -1)


def _alpha_of(values: Floats, *, level: Level) -> Statistic:
    k = len(values)

    def alphas(sums: Floats) -> Floats:
        tables = sums.reshape(-1, k, k)
        margins = tables.sum(axis=2)
        n = margins.sum(axis=1)
        delta = _distances(values, margins, level=level)
        observed = np.einsum("bij,bij->b", tables, delta)
        expected = np.einsum("bi,bj,bij->b", margins, margins, delta)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(expected > 0, 1 - (n - 1) * observed / expected, np.nan)

    return alphas


def _distances(values: Floats, margins: Floats, *, level: Level) -> Floats:
    """Squared distances of the values: B by k by k. Ordinal ones depend on how often each value is used."""
    n_samples, k = margins.shape
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(k), (n_samples, k, k))
    if level == "interval":
        return np.broadcast_to((values[:, None] - values[None, :]) ** 2, (n_samples, k, k))
    # What lies between two ranks, with half of each end.
    middle = np.cumsum(margins, axis=1) - margins / 2
    return (middle[:, :, None] - middle[:, None, :]) ** 2
