"""Judge drift and product drift told apart: a golden set stands still, so what moves there is the judge."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluators.calibration.labelled import passes
from evaluators.statistics.differences import difference, paired_difference
from evaluators.statistics.estimate import Estimate, unknown
from evaluators.statistics.weighted import weighted_rate

LEAST_ITEMS = 20
# Of five grades: less than a tenth of a grade is not worth a page, however sure it is.
LEAST_SHIFT = 0.1

Cause = Literal["none", "judge", "product", "both", "unknown"]


@dataclass(frozen=True, slots=True)
class Drift:
    """The scores of one day against the first day's, over the `n` items scored on both.

    `shift` is the mean change in grades, `flips` the share of items whose pass or fail changed.
    """

    n: int
    shift: Estimate
    flips: Estimate
    is_drift: bool


def drift(before: Sequence[float], after: Sequence[float], *, is_graded: bool = True) -> Drift:
    """How far a judge's scores of the same items have moved, item by item in the same order.

    It is drift from 20 items on, when the shift is beyond chance and at least a tenth of a grade (of a rule's
    0 or 1: a tenth).
    """
    n = len(before)
    if n == 0:
        return Drift(0, unknown(), unknown(), is_drift=False)
    shift = paired_difference(after, before)
    changed = [
        passes(old, is_graded=is_graded) != passes(new, is_graded=is_graded)
        for old, new in zip(before, after, strict=True)
    ]
    is_drift = n >= LEAST_ITEMS and shift.excludes(0.0) and abs(shift.value) >= LEAST_SHIFT
    return Drift(n, shift, weighted_rate(np.asarray(changed)), is_drift)


@dataclass(frozen=True, slots=True)
class Attribution:
    """What moved, and the product's own change once the judge's is taken out."""

    cause: Cause
    product: Estimate


def attribute(change: Estimate, judge: Drift) -> Attribution:
    """Whose a change of a judge's mean score is (new less old), given how the judge moved on a golden set.

    The judge's shift is subtracted, its doubt added; `unknown` where the golden set says too little.
    """
    if judge.n < LEAST_ITEMS or not judge.shift.has_interval or not change.has_interval:
        return Attribution("unknown", unknown(change.n))
    product = difference(change, judge.shift) if judge.is_drift else change
    moved = product.excludes(0.0)
    cause: Cause = "both" if moved and judge.is_drift else "product" if moved else "none"
    return Attribution("judge" if judge.is_drift and not moved else cause, product)
