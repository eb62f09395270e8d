"""Shifts of a rate between two versions, from counts that add up over days."""

from collections.abc import Sequence
from math import hypot, sqrt

from evaluators.statistics.estimate import Estimate, critical_value, unknown

NO_SHIFT = Estimate(0.0, 0.0, 0.0, 0)


def rate_shift(*, n: int, n_from: int, n_to: int, n_flips: int) -> Estimate:
    """The second rate minus the first over `n` calls that both versions judged, `n_flips` of them otherwise.

    The interval is Agresti and Min's for paired proportions, which holds at few flips, even none (half a call
    is added to each of the four cells; Agresti and Min 2005, Statistics in Medicine 24, 729). Raises
    ValueError where the counts cannot be.
    """
    if not 0 <= abs(n_to - n_from) <= n_flips <= n:
        raise ValueError(f"{n_from} and {n_to} of {n} with {n_flips} flips")
    if n == 0:
        return unknown()
    value = (n_to - n_from) / n
    size, changed = n + 2, n_flips + 1
    centre = (n_to - n_from) / size
    half = critical_value(0.95) * sqrt(max(0.0, changed / size - centre**2) / size)
    low, high = max(-1.0, min(value, centre - half)), min(1.0, max(value, centre + half))
    return Estimate(value, low, high, n)


def reverse(shift: Estimate) -> Estimate:
    """The same shift, seen from the second version."""
    return Estimate(-shift.value, -shift.high, -shift.low, shift.n)


def chain(shifts: Sequence[Estimate]) -> Estimate:
    """One shift after the other: values add up, half widths as independent ones do; `n` is the smallest."""
    value = sum(shift.value for shift in shifts)
    below = hypot(*(shift.value - shift.low for shift in shifts))
    above = hypot(*(shift.high - shift.value for shift in shifts))
    return Estimate(value, value - below, value + above, min((shift.n for shift in shifts), default=0))


def mix(shifts: Sequence[tuple[int, Estimate]]) -> Estimate:
    """The mean of shifts, each with the number of calls it is for; NO_SHIFT without calls."""
    total = sum(count for count, _ in shifts)
    if total == 0:
        return NO_SHIFT
    parts = [(count / total, shift) for count, shift in shifts]
    return chain(
        [
            Estimate(share * shift.value, share * shift.low, share * shift.high, shift.n)
            for share, shift in parts
        ]
    )
