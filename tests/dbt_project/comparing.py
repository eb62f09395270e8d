"""The comparison of models once more, from single calls: a second opinion that shares no line with the SQL.

The marts work on sums a stratum; here every cluster of scores is weighed by itself.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from scipy.stats import t as student

from tests.dbt_project.expected import wilson

Interval = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Score:
    """A call's score by one evaluator: 1 for a failed call, or a grade. Scores of one cluster count once."""

    model: str
    stratum: Hashable
    cluster: Hashable
    value: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: its figure with the interval, and how many calls it is worth."""

    estimate: float
    low: float | None
    high: float | None
    n_effective: float


@dataclass(frozen=True, slots=True)
class Compared:
    """A model and all others: as they are, and on the mix of the strata that both have answered."""

    own: Side
    rest: Side | None
    own_mix: Side | None
    rest_mix: Side | None
    coverage: float


def compare(scores: Iterable[Score], *, is_rate: bool) -> dict[str, Compared]:
    """Each model against all others."""
    clusters = _clusters(scores)
    return {
        model: _compare(model, clusters, is_rate=is_rate)
        for model in sorted({key[0] for key, *_ in clusters})
    }


_Cluster = tuple[tuple[str, Hashable], float, float]


def _clusters(scores: Iterable[Score]) -> list[_Cluster]:
    """Model and stratum, weight, and weighted score of each cluster."""
    totals: defaultdict[tuple[str, Hashable, Hashable], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for score in scores:
        total = totals[score.model, score.stratum, score.cluster]
        total[0] += score.weight
        total[1] += score.weight * score.value
    return [((model, stratum), weight, sum_) for (model, stratum, _), (weight, sum_) in totals.items()]


def _compare(model: str, clusters: Sequence[_Cluster], *, is_rate: bool) -> Compared:
    own = [each for each in clusters if each[0][0] == model]
    rest = [each for each in clusters if each[0][0] != model]
    ours, theirs, all_of_them = (_weights(each) for each in (own, rest, clusters))
    shared = ours.keys() & theirs.keys()

    def on_mix(side: Sequence[_Cluster], weights: dict[Hashable, float]) -> list[_Cluster]:
        return [
            (
                key,
                weight * all_of_them[key[1]] / weights[key[1]],
                total * all_of_them[key[1]] / weights[key[1]],
            )
            for key, weight, total in side
            if key[1] in shared
        ]

    return Compared(
        own=_side(own, is_rate=is_rate),
        rest=_side(rest, is_rate=is_rate) if rest else None,
        own_mix=_side(on_mix(own, ours), is_rate=is_rate) if shared else None,
        rest_mix=_side(on_mix(rest, theirs), is_rate=is_rate) if shared else None,
        coverage=sum(all_of_them[stratum] for stratum in shared) / sum(all_of_them.values()),
    )


def _weights(clusters: Sequence[_Cluster]) -> dict[Hashable, float]:
    weights: defaultdict[Hashable, float] = defaultdict(float)
    for (_, stratum), weight, _ in clusters:
        weights[stratum] += weight
    return dict(weights)


def _side(clusters: Sequence[_Cluster], *, is_rate: bool) -> Side:
    weight = sum(each[1] for each in clusters)
    mean = sum(each[2] for each in clusters) / weight
    n_effective = weight**2 / sum(each[1] ** 2 for each in clusters)
    if is_rate:
        return Side(mean, *wilson(mean * n_effective, n_effective), n_effective)
    n = len(clusters)
    if n < 2:
        return Side(mean, None, None, n_effective)
    error = sqrt(n / (n - 1) * sum((total - mean * own) ** 2 for _, own, total in clusters)) / weight
    if error < 1e-6:
        return Side(mean, None, None, n_effective)
    half = float(student.ppf(0.975, n - 1)) * error
    return Side(mean, mean - half, mean + half, n_effective)


def difference(one: Side | None, other: Side | None) -> Interval:
    """The difference with the interval that follows from those of its sides (Newcombe's method 10)."""
    if one is None or other is None:
        return None, None, None
    value = one.estimate - other.estimate
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return value, None, None
    return (
        value,
        value - sqrt((one.estimate - one.low) ** 2 + (other.high - other.estimate) ** 2),
        value + sqrt((one.high - one.estimate) ** 2 + (other.estimate - other.low) ** 2),
    )
