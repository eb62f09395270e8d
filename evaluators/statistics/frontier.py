"""Which model is good for its price: means of a stratified sample, paired by prompt, and who is dominated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, nan
from typing import Final

import numpy as np

from evaluators.statistics.clusters import Floats, Indices
from evaluators.statistics.differences import paired_difference
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.weighted import weighted_mean

# Sums of binary fractions: equal prices may differ by a last bit.
_NOTHING = 1e-12
GRADES: Final = (1.0, 5.0)
FEWEST_ALIKE: Final = 6
"""Prompts that must agree before it says how others would be: a sign test calls five of a kind chance."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A stratified sample of n prompts: `strata` and `clusters` number each prompt's stratum and what makes
    prompts alike (n each), `sizes` are the calls of each stratum that the sample stands for."""

    strata: Indices
    clusters: Indices
    sizes: Floats


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model did with the n prompts: a grade and USD of each, NaN where there is none."""

    name: str
    grades: Floats
    usd: Floats


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """A model between quality and cost. Differences are to the first model, over the prompts of both.

    `usd` is of one call. `represented` is the share of the sampled calls whose strata have a grade.
    `dominated_by` names the models that are at least as good and at least as cheap, and one of both truly,
    over the prompts that both have; `surely_dominated_by` those of them whose 95 % intervals of both
    differences say so.
    """

    name: str
    grade: Estimate
    usd: Estimate
    grade_difference: Estimate
    usd_difference: Estimate
    represented: float
    dominated_by: tuple[str, ...]
    surely_dominated_by: tuple[str, ...]


def find_frontier(sample: Sample, models: Sequence[Answers]) -> list[FrontierPoint]:
    """A point for each model; the first is the incumbent that the others are compared with.

    Each prompt weighs as many calls as its stratum has for each measured prompt of it (N_h / n_h), so that
    a stratum that was drawn more densely, or answered less often, counts as it does in the traffic; strata
    without a measured prompt are left out and show in `represented`. Intervals are Student's on the
    linearised Hájek mean, clustered (Särndal, Swensson and Wretman 1992, section 5.6): they leave out what
    stratification saves, and so are a little wide. They end where grades and costs do. Grades, or differences
    of grades, that are all the same have none below six prompts: no spread was seen, not that there is none.
    """
    first = models[0]
    return [_point(sample, each, first, [other for other in models if other is not each]) for each in models]


def _point(sample: Sample, model: Answers, first: Answers, others: Sequence[Answers]) -> FrontierPoint:
    beaten = [(other.name, _beats(sample, other, model)) for other in others]
    return FrontierPoint(
        name=model.name,
        grade=_within(_mean(sample, model.grades, is_graded=True), *GRADES),
        usd=_within(_mean(sample, model.usd), 0.0, inf),
        grade_difference=_difference(sample, model.grades, first.grades, is_graded=True),
        usd_difference=_difference(sample, model.usd, first.usd),
        represented=_represented(sample, model.grades),
        dominated_by=tuple(name for name, (is_beaten, _) in beaten if is_beaten),
        surely_dominated_by=tuple(name for name, (_, is_sure) in beaten if is_sure),
    )


def weights(sample: Sample, is_measured: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Floats:
    """Calls that each measured prompt stands for (as many as are measured)."""
    strata = sample.strata[is_measured]
    counts = np.bincount(strata, minlength=len(sample.sizes))
    return (sample.sizes[strata] / counts[strata]).astype(np.float64)


def _mean(sample: Sample, values: Floats, *, is_graded: bool = False) -> Estimate:
    known = np.isfinite(values)
    clusters = sample.clusters[known]
    found = weighted_mean(values[known], weights=weights(sample, known), clusters=clusters)
    return _heard(found, clusters) if is_graded else found


def _difference(
    sample: Sample, ours: Floats, theirs: Floats, *, where: Floats | None = None, is_graded: bool = False
) -> Estimate:
    both = np.isfinite(ours) & np.isfinite(theirs)
    if where is not None:
        both &= np.isfinite(where)
    clusters = sample.clusters[both]
    found = paired_difference(ours[both], theirs[both], weights=weights(sample, both), clusters=clusters)
    return _heard(found, clusters) if is_graded else found


def _heard(found: Estimate, clusters: Indices) -> Estimate:
    """Without an interval where a handful of prompts say all the same."""
    is_silent = found.has_interval and found.width < _NOTHING and len(np.unique(clusters)) < FEWEST_ALIKE
    return replace(found, low=nan, high=nan) if is_silent else found


def _within(found: Estimate, low: float, high: float) -> Estimate:
    """The interval cut to where the figure can lie."""
    return (
        replace(found, low=max(found.low, low), high=min(found.high, high)) if found.has_interval else found
    )


def _beats(sample: Sample, one: Answers, other: Answers) -> tuple[bool, bool]:
    """Whether `one` dominates `other` by the figures, and whether the intervals say so, too."""
    whole = one.grades + other.grades + one.usd + other.usd
    better = _difference(sample, one.grades, other.grades, where=whole, is_graded=True)
    dearer = _difference(sample, one.usd, other.usd, where=whole)
    if not (better.is_known and dearer.is_known):
        return False, False
    is_no_worse = better.value >= -_NOTHING and dearer.value <= _NOTHING
    is_other = better.value > _NOTHING or dearer.value < -_NOTHING
    is_sure = better.low >= -_NOTHING and dearer.high <= _NOTHING
    return is_no_worse and is_other, is_no_worse and is_other and is_sure


def _represented(sample: Sample, values: Floats) -> float:
    seen = np.unique(sample.strata[np.isfinite(values)])
    total = float(sample.sizes.sum())
    return float(sample.sizes[seen].sum()) / total if total else 0.0
