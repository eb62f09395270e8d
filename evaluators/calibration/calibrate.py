"""A judge against people: agreement, kappa, correlation, precision and recall, and the state they make."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.calibration.labelled import FAIL, PASS, LabelledCall
from evaluators.calibration.policy import POLICY, Policy, Standing, standing
from evaluators.statistics.agreement import Agreement, agreement, cohen_kappa
from evaluators.statistics.alpha import krippendorff_alpha
from evaluators.statistics.correlation import spearman
from evaluators.statistics.detection import Detection, detection
from evaluators.statistics.estimate import Estimate, unknown

NOTHING = unknown()


@dataclass(frozen=True, slots=True)
class Calibration:
    """How one evaluator version compares with people: `n` calls that both judged, in `n_clusters` clusters.

    `agreement` is with people's majority; `n_undecided` calls have none and count nowhere. `quadratic_kappa`
    and `spearman` are of grades, unknown where people gave none. `detection` is of failures, unknown for
    categories other than pass and fail. `human` is people's own alpha, over calls with two raters or more.
    """

    n: int
    n_clusters: int
    n_undecided: int
    agreement: Agreement
    quadratic_kappa: Estimate
    spearman: Estimate
    detection: Detection
    human: Estimate
    parse_errors: Estimate
    flips: Estimate
    standing: Standing

    def figures(self) -> dict[str, Estimate]:
        """All but agreement and kappa, by name."""
        return {
            "quadratic_kappa": self.quadratic_kappa,
            "spearman": self.spearman,
            "precision": self.detection.precision,
            "recall": self.detection.recall,
            "specificity": self.detection.specificity,
            "human_alpha": self.human,
            "parse_errors": self.parse_errors,
            "flips": self.flips,
        }


def calibrate(
    calls: Sequence[LabelledCall],
    *,
    parse_errors: Estimate = NOTHING,
    flips: Estimate = NOTHING,
    policy: Policy = POLICY,
) -> Calibration:
    """The figures of one evaluator version over labelled calls; every interval is clustered and seeded.

    A call without a verdict is not counted against people's labels: `parse_errors` says how many there are.
    """
    judged = [call for call in calls if call.verdict is not None]
    decided = [call for call in judged if call.majority is not None]
    verdicts = np.asarray([call.verdict for call in decided], dtype=np.str_)
    people = np.asarray([call.majority for call in decided], dtype=np.str_)
    clusters = np.asarray([call.cluster for call in decided], dtype=np.str_)
    found = agreement(verdicts, people, clusters=clusters)
    human = human_alpha(calls)
    quadratic, rho = _of_grades(decided)
    return Calibration(
        n=len(decided),
        n_clusters=len(set(clusters.tolist())),
        n_undecided=len(judged) - len(decided),
        agreement=found,
        quadratic_kappa=quadratic,
        spearman=rho,
        detection=_detection(decided),
        human=human,
        parse_errors=parse_errors,
        flips=flips,
        standing=standing(
            class_counts=_class_counts(people.tolist(), verdicts.tolist()),
            kappa=found.kappa,
            human=human,
            parse_errors=parse_errors,
            flips=flips,
            policy=policy,
        ),
    )


def human_alpha(calls: Sequence[LabelledCall]) -> Estimate:
    """How far people agree among themselves: Krippendorff's alpha of their categories."""
    shared = [call for call in calls if len(call.ratings) > 1]
    if not shared:
        return unknown()
    names = sorted({rating.category for call in shared for rating in call.ratings})
    codes = {name: float(code) for code, name in enumerate(names)}
    # Alpha does not ask who said what, so a column is a place and not a person: there may be hundreds.
    table = np.full((len(shared), max(len(call.ratings) for call in shared)), np.nan)
    for row, call in enumerate(shared):
        table[row, : len(call.ratings)] = [codes[rating.category] for rating in call.ratings]
    return krippendorff_alpha(table, clusters=np.asarray([call.cluster for call in shared], dtype=np.str_))


def _class_counts(people: Sequence[str], verdicts: Sequence[str]) -> dict[str, int]:
    """People's labels by class; pass and fail are always asked for where they are the classes."""
    counts = Counter(people)
    is_binary = {*people, *verdicts} <= {PASS, FAIL}
    return {name: counts[name] for name in (PASS, FAIL)} if is_binary else dict(counts)


def _of_grades(decided: Sequence[LabelledCall]) -> tuple[Estimate, Estimate]:
    graded = [(c.grade, c.human_grade, c.cluster) for c in decided if c.grade is not None]
    known = [(ours, theirs, cluster) for ours, theirs, cluster in graded if theirs is not None]
    if not known:
        return unknown(), unknown()
    ours, theirs = (np.asarray([row[i] for row in known], dtype=np.float64) for i in (0, 1))
    clusters = np.asarray([row[2] for row in known], dtype=np.str_)
    return (
        cohen_kappa(ours, theirs, weighting="quadratic", clusters=clusters),
        spearman(ours, theirs, clusters=clusters),
    )


def _detection(decided: Sequence[LabelledCall]) -> Detection:
    found = {*(call.verdict for call in decided), *(call.majority for call in decided)}
    if not found or not found <= {PASS, FAIL}:
        return Detection(NOTHING, NOTHING, NOTHING)
    return detection(
        [call.verdict == FAIL for call in decided],
        [call.majority == FAIL for call in decided],
        clusters=np.asarray([call.cluster for call in decided], dtype=np.str_),
    )
