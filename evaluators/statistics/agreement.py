"""How far two raters agree, beyond chance: raw agreement never without its kappa."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.statistics.bootstrap import N_RESAMPLES, SEED, Statistic, bootstrap
from evaluators.statistics.clusters import Floats, codes_of, totals_by_cluster
from evaluators.statistics.estimate import Estimate, unknown
from evaluators.statistics.weighted import weighted_rate

Weighting = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The share of equal verdicts, and Cohen's kappa: what is left of it once chance is taken out.

    Two raters who pass 95 % of everything agree on 90 % by chance alone.
    """

    raw: Estimate
    kappa: Estimate


def agreement(
    first: ArrayLike, second: ArrayLike, *, clusters: ArrayLike | None = None, seed: int = SEED
) -> Agreement:
    """Raw agreement and kappa of two raters' categories (any values that can be compared), item by item.

    Raises ValueError where the two are not of one length.
    """
    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape:
        raise ValueError(f"{one.shape} ratings and {two.shape}")
    return Agreement(
        weighted_rate(one == two, clusters=clusters), cohen_kappa(one, two, clusters=clusters, seed=seed)
    )


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    *,
    weighting: Weighting = "none",
    clusters: ArrayLike | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> Estimate:
    """Cohen's kappa with a cluster-bootstrap interval; weighted ones need numbers, and use their distances.

    Unknown where both raters know one category only: chance alone would agree there. Sources: Cohen 1960,
    Educational and Psychological Measurement 20, 37; 1968, Psychological Bulletin 70, 213 (weighted).
    """
    one, two, categories = _coded(first, second)
    k, n = len(categories), len(one)
    if n == 0:
        return unknown()
    codes, n_clusters = codes_of(clusters, n=n)
    cells = np.eye(k * k)[one * k + two]
    totals = totals_by_cluster(cells, codes, n_clusters=n_clusters)
    disagreement = _disagreement(categories, weighting=weighting)
    return bootstrap(totals, _kappa_of(disagreement), n=n, n_resamples=n_resamples, seed=seed)


def _coded(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[Any]]:
    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape or one.ndim != 1:
        raise ValueError(f"{one.shape} ratings and {two.shape}")
    categories, codes = np.unique(np.concatenate([one, two]), return_inverse=True)
    codes = codes.reshape(-1)
    return codes[: len(one)], codes[len(one) :], categories


def _disagreement(categories: NDArray[Any], *, weighting: Weighting) -> Floats:
    """How bad each pair of categories is: k by k, 0 on the diagonal."""
    if weighting == "none":
        return 1 - np.eye(len(categories))
    values = categories.astype(np.float64)
    distance = np.abs(values[:, None] - values[None, :])
    return distance if weighting == "linear" else distance**2


def _kappa_of(disagreement: Floats) -> Statistic:
    """Kappa of many tables at once: B by k² counts in, B kappas out."""
    k = len(disagreement)

    def kappas(counts: Floats) -> Floats:
        tables = counts.reshape(-1, k, k)
        n = tables.sum(axis=(1, 2))
        observed = np.einsum("bij,ij->b", tables, disagreement)
        expected = np.einsum("bi,bj,ij->b", tables.sum(axis=2), tables.sum(axis=1), disagreement)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(expected > 0, 1 - n * observed / expected, np.nan)

    return kappas
