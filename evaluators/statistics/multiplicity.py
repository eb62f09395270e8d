"""Many tests at once: p-values corrected so that few of what is called a find is none."""

import numpy as np
from numpy.typing import ArrayLike

from evaluators.statistics.clusters import Floats


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """The q-values along the last axis, of the array's shape; NaN is no test and stays NaN.

    Calling a find what has q ≤ alpha keeps the expected share of false finds at alpha, for independent tests
    and for those that are positively dependent. Source: Benjamini and Hochberg 1995, JRSS B 57, 289–300.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.size == 0:
        return p.copy()
    # NaN sorts last, so the tests that there are keep the ranks 1 … m.
    order = np.argsort(p, axis=-1)
    ordered = np.take_along_axis(p, order, axis=-1)
    m = np.isfinite(p).sum(axis=-1, keepdims=True)
    scaled = ordered * m / np.arange(1, p.shape[-1] + 1)
    scaled = np.where(np.isnan(scaled), np.inf, scaled)
    least = np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1]
    found = np.empty_like(p)
    np.put_along_axis(found, order, np.minimum(least, 1.0), axis=-1)
    return np.where(np.isnan(p), np.nan, found)
