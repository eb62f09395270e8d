"""How well one rater finds what another calls a failure: precision, recall and their company."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.statistics.clusters import weights_of
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.weighted import weighted_rate


@dataclass(frozen=True, slots=True)
class Detection:
    """`precision` of the flagged, `recall` (sensitivity) of the failing, `specificity` of the others.

    Each with the number of items that it is a share of.
    """

    precision: Estimate
    recall: Estimate
    specificity: Estimate


def detection(
    flagged: ArrayLike,
    failing: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> Detection:
    """What a rater `flagged` against what is `failing` (booleans, item by item).

    Wilson's intervals rather than a bootstrap: of 20 found out of 20 a bootstrap only ever draws 20 again.
    Raises ValueError where the two are not of one length.
    """
    found, true = np.asarray(flagged, dtype=np.bool_), np.asarray(failing, dtype=np.bool_)
    if found.shape != true.shape or found.ndim != 1:
        raise ValueError(f"{found.shape} verdicts and {true.shape} truths")
    held = None if weights is None else weights_of(weights, n=len(found))
    names = None if clusters is None else np.asarray(clusters)

    def share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        return weighted_rate(
            of[among],
            weights=None if held is None else held[among],
            clusters=None if names is None else names[among],
        )

    return Detection(share(true, found), share(found, true), share(~found, ~true))
