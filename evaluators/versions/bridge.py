"""A bridge: the same calls under two versions of an evaluator, and what changed between them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluators.statistics.agreement import agreement
from evaluators.statistics.differences import paired_difference
from evaluators.statistics.estimate import Estimate, unknown
from evaluators.statistics.weighted import weighted_mean

Dimension = Literal["model", "prompt"]

# Fewer shared calls than this say too little for a version to be promoted on them.
ENOUGH_CALLS = 200
# Below it a stratum's own figures would only be noise.
FEWEST_IN_STRATUM = 10
MOST_STRATA = 50
MOST_EXAMPLES = 20
# Scores of more values than this are measures, not verdicts: they have no table and no kappa.
MOST_VERDICTS = 12


@dataclass(frozen=True, slots=True)
class SharedCall:
    """One call that both versions have scored.

    `cluster` is what makes calls alike (a conversation, a prompt), `weight` 1 / inclusion probability.
    """

    call_id: str
    value_from: float
    value_to: float
    label_from: str | None = None
    label_to: str | None = None
    model: str = ""
    prompt: str = ""
    cluster: str = ""
    weight: float = 1.0

    @property
    def verdicts(self) -> tuple[str | float, str | float]:
        """What is compared: the labels where both versions gave one, else the values."""
        if self.label_from is None or self.label_to is None:
            return self.value_from, self.value_to
        return self.label_from, self.label_to

    @property
    def is_flip(self) -> bool:
        one, other = self.verdicts
        return one != other


@dataclass(frozen=True, slots=True)
class Stratum:
    """The calls of one model or one prompt."""

    dimension: Dimension
    name: str
    agreement: Estimate
    kappa: Estimate
    shift: Estimate

    @property
    def n(self) -> int:
        return self.shift.n


@dataclass(frozen=True, slots=True)
class Bridge:
    """What a version changes: `shift` is the mean of (to - from) over the shared calls, by weight.

    `flips` counts the pairs of verdicts that differ, most frequent first; `examples` are calls of them, the
    widest apart first, at most one a cluster. `is_enough` says whether a promotion may rest on it.
    """

    n: int
    mean_from: Estimate
    mean_to: Estimate
    agreement: Estimate
    kappa: Estimate
    shift: Estimate
    flips: tuple[tuple[str, str, int], ...]
    strata: tuple[Stratum, ...]
    examples: tuple[SharedCall, ...]

    @property
    def n_flips(self) -> int:
        return sum(count for _, _, count in self.flips)

    @property
    def is_enough(self) -> bool:
        return self.n >= ENOUGH_CALLS


def build_bridge(calls: Sequence[SharedCall]) -> Bridge:
    """The bridge over these calls; figures are unknown (NaN), not 0, where there are none.

    Intervals are 95 %, by clusters. Kappa stands beside every agreement: chance alone agrees, too.
    """
    flipped = [call for call in calls if call.is_flip]
    counts = Counter((_text(one), _text(other)) for one, other in (call.verdicts for call in flipped))
    raw, kappa, shift = _compare(calls)
    return Bridge(
        n=len(calls),
        mean_from=_mean(calls, [call.value_from for call in calls]),
        mean_to=_mean(calls, [call.value_to for call in calls]),
        agreement=raw,
        kappa=kappa,
        shift=shift,
        flips=tuple((one, other, count) for (one, other), count in counts.most_common()),
        strata=(*_strata(calls, "model"), *_strata(calls, "prompt")),
        examples=_examples(flipped),
    )


def _compare(calls: Sequence[SharedCall]) -> tuple[Estimate, Estimate, Estimate]:
    """Agreement, kappa, shift."""
    if not calls:
        return unknown(), unknown(), unknown()
    clusters = np.array([call.cluster or call.call_id for call in calls])
    codes: dict[str, int] = {}
    coded = [[codes.setdefault(_text(verdict), len(codes)) for verdict in call.verdicts] for call in calls]
    found = agreement([one for one, _ in coded], [other for _, other in coded], clusters=clusters)
    return (
        found.raw,
        found.kappa if len(codes) <= MOST_VERDICTS else unknown(len(calls)),
        paired_difference(
            [call.value_to for call in calls],
            [call.value_from for call in calls],
            weights=[call.weight for call in calls],
            clusters=clusters,
        ),
    )


def _mean(calls: Sequence[SharedCall], values: Sequence[float]) -> Estimate:
    clusters = np.array([call.cluster or call.call_id for call in calls])
    return weighted_mean(values, weights=[call.weight for call in calls], clusters=clusters)


def _strata(calls: Iterable[SharedCall], dimension: Dimension) -> list[Stratum]:
    """The largest strata; none where all calls are in one, which would only say everything twice."""
    groups: dict[str, list[SharedCall]] = {}
    for call in calls:
        groups.setdefault(call.model if dimension == "model" else call.prompt, []).append(call)
    if len(groups) < 2:
        return []
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [
        Stratum(dimension, name, *_compare(members))
        for name, members in ordered[:MOST_STRATA]
        if len(members) >= FEWEST_IN_STRATUM
    ]


def _examples(flipped: Sequence[SharedCall]) -> tuple[SharedCall, ...]:
    ordered = sorted(flipped, key=lambda call: (-abs(call.value_to - call.value_from), call.call_id))
    seen: dict[str, SharedCall] = {}
    for call in ordered:
        seen.setdefault(call.cluster or call.call_id, call)
        if len(seen) == MOST_EXAMPLES:
            break
    return tuple(seen.values())


def _text(verdict: str | float) -> str:
    return verdict if isinstance(verdict, str) else f"{verdict:g}"
