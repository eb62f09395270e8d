"""Percentiles of the log-spaced histograms, whose buckets add up over hours, days, models and projects."""

import math

import numpy as np

from orchestration.alerts.reading.types import Integers, Sums

# dbt_project/macros/statistics/histogram.sql; a test holds both to be equal.
GAMMA = 1.01 / 0.99
Z_95 = 1.959963984540054


def percentile(buckets: Integers, counts: Integers, *, fraction: float) -> Sums:
    """The midpoint of the nearest rank's bucket in milliseconds, at most 1 % off; `buckets` ascend.

    The interval is that of the ranks: the count below the percentile is binomial (Conover 1999, chapter 3.2).
    """
    reached = np.cumsum(counts)
    total = int(reached[-1]) if len(reached) else 0
    if total == 0:
        return Sums(0.0, 0.0)
    doubt = Z_95 * math.sqrt(total * fraction * (1 - fraction))

    def at(rank: float) -> float:
        place = int(np.searchsorted(reached, min(max(rank, 1.0), float(total))))
        return 2 * GAMMA ** float(buckets[place]) / (GAMMA + 1)

    value = at(fraction * total)
    return Sums(
        value,
        1.0,
        n=total,
        value=value,
        low=at(math.floor(fraction * total - doubt)),
        high=at(math.ceil(fraction * total + doubt) + 1),
    )
