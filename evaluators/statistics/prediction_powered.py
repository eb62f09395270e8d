"""Pass rates corrected for a judge's error by human labels: the prediction-powered difference estimator."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.statistics.clusters import Floats, Indices, codes_of, floats, totals_by_cluster, weights_of
from evaluators.statistics.estimate import Estimate, critical_value, unknown
from evaluators.statistics.weighted import influence, rate_interval, weighted_mean, weighted_rate


@dataclass(frozen=True, slots=True)
class Corrected:
    """A mean three ways: the judge alone (`raw`), the labels alone, and both together (`corrected`).

    `raw` is biased by the judge's error however many calls it has judged. `corrected` is not, if the labels
    are of the same kind of calls. `trust` (0 to 1) is how much of the judge is used; `label_saving` the share
    of labels that it replaces: 0.1 means that the labels alone would have to be 11 % more to be as sure.
    `n_labels` counts the labels.
    """

    raw: Estimate
    labels_only: Estimate
    corrected: Estimate
    trust: float
    label_saving: float
    n_labels: int


def prediction_powered(
    predictions: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    label_weights: ArrayLike | None = None,
    in_population: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    is_rate: bool = True,
    confidence: float = 0.95,
) -> Corrected:
    """The mean label of a population of items that a judge has all scored and people only in part.

    `predictions` are the judge's, one an item; `labels` the people's, NaN where there is none. An item that
    is only there for its label (of last month, say) is not `in_population`. `weights` are 1 / probability of
    being judged, `label_weights` 1 / probability of being labelled. Labelled items are items of the
    population, too, and clusters may hold both: the interval counts that. `is_rate`: all values lie within 0
    and 1.

    mean(labels) + trust * (mean(predictions of all) - mean(predictions of the labelled)), `trust` being the
    value with the least variance, from 0 to 1. Source: Angelopoulos, Duchi and Zrnic 2023, "PPI++" (arXiv
    2311.01453); for overlapping samples this is the regression estimator of double sampling (Cochran 1977,
    chapter 12).
    """
    judged = floats(predictions, name="predictions")
    n = len(judged)
    people = np.asarray(labels, dtype=np.float64)
    if people.shape != judged.shape:
        raise ValueError(f"{people.shape} labels for {n} predictions")
    inside = np.asarray(True if in_population is None else in_population, dtype=np.bool_) & np.ones(n, bool)
    labelled = np.isfinite(people)
    w_all = weights_of(weights, n=n) * inside
    w_labels = weights_of(label_weights, n=n) * labelled
    mean_of = weighted_rate if is_rate else weighted_mean
    names = np.arange(n) if clusters is None else np.asarray(clusters)

    def side(values: Floats, held: Floats, chosen: NDArray[np.bool_]) -> Estimate:
        own = None if clusters is None else names[chosen]
        own_weights = None if (held[chosen] == 1).all() else held[chosen]
        return mean_of(values[chosen], weights=own_weights, clusters=own, confidence=confidence)

    raw, alone = side(judged, w_all, inside), side(people, w_labels, labelled)
    n_labels = int(labelled.sum())
    if not (raw.is_known and alone.is_known):
        return Corrected(raw, alone, unknown(raw.n), 0.0, 0.0, n_labels)
    codes, n_clusters = codes_of(names, n=n)
    degrees = len(np.unique(codes[labelled])) - 1
    moves = _moves(
        judged, np.where(labelled, people, 0.0), w_all, w_labels, codes=codes, n_clusters=n_clusters
    )
    trust = moves.trust()
    value = alone.value + trust * (raw.value - _mean(judged, w_labels))
    variance = moves.variance(trust, n_clusters=degrees + 1)
    before = moves.variance(0.0, n_clusters=degrees + 1)
    saving = 1 - variance / before if before > 0 else 0.0
    if is_rate:
        value = min(1.0, max(0.0, value))
        spread = value * (1 - value)
        if degrees < 1 or spread == 0:
            # Everybody agreed: the labels alone say how sure that is.
            low, high = alone.low, alone.high
        else:
            low, high = rate_interval(value, variance=variance, degrees=degrees, confidence=confidence)
    else:
        half = critical_value(confidence, degrees=max(1, degrees)) * sqrt(variance)
        low, high = value - half, value + half
    return Corrected(raw, alone, Estimate(value, low, high, raw.n), trust, saving, n_labels)


@dataclass(frozen=True, slots=True)
class _Moves:
    """How much each cluster moves the mean label, and the difference that `trust` is multiplied with."""

    of_labels: Floats
    of_difference: Floats

    def trust(self) -> float:
        """The factor with the least variance, within 0 and 1."""
        spread = float(self.of_difference @ self.of_difference)
        best = -float(self.of_labels @ self.of_difference) / spread if spread > 0 else 0.0
        return min(1.0, max(0.0, best))

    def variance(self, trust: float, *, n_clusters: int) -> float:
        moved = self.of_labels + trust * self.of_difference
        return float(moved @ moved) * n_clusters / (n_clusters - 1) if n_clusters > 1 else float("nan")


def _moves(
    judged: Floats, people: Floats, w_all: Floats, w_labels: Floats, *, codes: Indices, n_clusters: int
) -> _Moves:
    per_label = influence(people, w_labels)
    per_item = influence(judged, w_all) - influence(judged, w_labels)
    return _Moves(
        totals_by_cluster(per_label, codes, n_clusters=n_clusters),
        totals_by_cluster(per_item, codes, n_clusters=n_clusters),
    )


def _mean(values: Floats, weights: Floats) -> float:
    return float(weights @ values / weights.sum())
