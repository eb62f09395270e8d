"""The figures of a run: differences, means and win rates with intervals, and what was left unscored."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluators.judging.items import NOT_APPLICABLE
from evaluators.judging.win_rates import Pair, win_rates
from evaluators.statistics.differences import paired_difference
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.weighted import weighted_mean
from orchestration.comparison.items import Side
from orchestration.comparison.measures import Measure

PAIR_METRICS = ("win_rate", "win_rate_without_ties", "flip_rate", "longest_wins")


@dataclass(frozen=True, slots=True)
class Graded:
    """What became of one side of an item: a rubric is in `grades` (1–5) or in `unscored` (its reason)."""

    cluster: str
    grades: Mapping[str, float] = field(default_factory=dict[str, float])
    unscored: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of a pair; `unscored_reason` where it was not settled."""

    pair: Pair
    unscored_reason: str | None = None


def metric_names(rubrics: Sequence[str], *, has_baseline: bool, is_pairwise: bool) -> list[str]:
    """The metrics that a run will measure: what a gate may name."""
    names = [f"{rubric}.mean" for rubric in rubrics]
    if has_baseline:
        names += [each for rubric in rubrics for each in (rubric, f"{rubric}.baseline_mean")]
    return [*names, *(PAIR_METRICS if is_pairwise else ())]


def measure_run(
    graded: Mapping[Side, Sequence[Graded]], compared: Sequence[Compared], *, rubrics: Sequence[str]
) -> dict[str, Measure]:
    """All measures by name. The two sides list the same items in the same order; a baseline may be absent."""
    ours, theirs = graded["candidate"], graded.get("baseline", ())
    measures: dict[str, Measure] = {}
    for rubric in rubrics:
        measures[f"{rubric}.mean"] = _mean(ours, rubric)
        if theirs:
            measures[f"{rubric}.baseline_mean"] = _mean(theirs, rubric)
            measures[rubric] = _difference(ours, theirs, rubric)
    return {**measures, **(_win_measures(compared) if compared else {})}


def count_unscored(graded: Iterable[Graded], *, rubrics: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rubric to reason to count, of one side."""
    items = list(graded)
    counts = {rubric: Counter(each.unscored.get(rubric) for each in items) for rubric in rubrics}
    reasons = {
        rubric: {reason: n for reason, n in counted.items() if reason} for rubric, counted in counts.items()
    }
    return {rubric: dict(sorted(counted.items())) for rubric, counted in reasons.items() if counted}


def count_unsettled(compared: Iterable[Compared]) -> dict[str, int]:
    """Reason to count, of the pairs that were not settled."""
    return dict(sorted(Counter(each.unscored_reason for each in compared if each.unscored_reason).items()))


def _mean(items: Sequence[Graded], rubric: str) -> Measure:
    scored = [each for each in items if rubric in each.grades]
    found = weighted_mean(
        np.asarray([each.grades[rubric] for each in scored], dtype=np.float64),
        clusters=_clusters(each.cluster for each in scored),
    )
    n_eligible = sum(each.unscored.get(rubric) != NOT_APPLICABLE for each in items)
    return _measure(found, [each.cluster for each in scored], n_eligible=n_eligible)


def _difference(ours: Sequence[Graded], theirs: Sequence[Graded], rubric: str) -> Measure:
    pairs = list(zip(ours, theirs, strict=True))
    scored = [(new, old) for new, old in pairs if rubric in new.grades and rubric in old.grades]
    clusters = [new.cluster for new, _ in scored]
    found = paired_difference(
        np.asarray([new.grades[rubric] for new, _ in scored], dtype=np.float64),
        np.asarray([old.grades[rubric] for _, old in scored], dtype=np.float64),
        clusters=_clusters(clusters),
    )
    n_eligible = sum(
        NOT_APPLICABLE not in (new.unscored.get(rubric), old.unscored.get(rubric)) for new, old in pairs
    )
    return _measure(found, clusters, n_eligible=n_eligible)


def _win_measures(compared: Sequence[Compared]) -> dict[str, Measure]:
    pairs = [each.pair for each in compared]
    rates = win_rates(pairs)
    settled = [pair for pair in pairs if pair.settled.winner is not None]
    decided = [pair for pair in settled if pair.settled.winner != "tie"]
    uneven = [pair for pair in decided if pair.candidate_length != pair.baseline_length]
    n_open = sum(each.unscored_reason not in (None, NOT_APPLICABLE) for each in compared)
    shares = zip(
        PAIR_METRICS,
        (rates.ties_half, rates.without_ties, rates.flips, rates.longest_wins),
        (settled, decided, settled, uneven),
        strict=True,
    )
    return {
        name: _measure(found, [pair.cluster for pair in of], n_eligible=len(of) + n_open)
        for name, found, of in shares
    }


def _measure(found: Estimate, clusters: Sequence[str], *, n_eligible: int) -> Measure:
    return Measure(
        value=found.value,
        low=found.low,
        high=found.high,
        n=len(clusters),
        n_prompts=len(set(clusters)),
        n_eligible=n_eligible,
    )


def _clusters(names: Iterable[str]) -> list[int]:
    """Numbers in place of names: an array of texts would cut NULs off their ends."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]
