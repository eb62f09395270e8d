"""What every statistic returns: a figure, its interval, and how many items stand behind it."""

from dataclasses import dataclass
from math import isfinite, nan
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval (95 % unless asked otherwise) and the number of items behind it.

    What the items do not tell is NaN, never 0: `value` where nothing can be said at all, `low` and `high`
    where there is a value but too little to say how sure it is (one cluster, say).
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def is_known(self) -> bool:
        """Whether there is a value at all."""
        return isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known."""
        return isfinite(self.low) and isfinite(self.high)

    @property
    def width(self) -> float:
        """The length of the interval, NaN where there is none."""
        return self.high - self.low

    def excludes(self, value: float) -> bool:
        """Whether the interval is known and lies wholly on one side of `value`."""
        return self.has_interval and not self.low <= value <= self.high


def unknown(n: int = 0) -> Estimate:
    """An estimate that says nothing but how many items there were."""
    return Estimate(nan, nan, nan, n)


def critical_value(confidence: float, *, degrees: float | None = None) -> float:
    """How many standard errors a two-sided interval reaches: Student's t with `degrees`, else the normal.

    Raises ValueError where `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}")
    if degrees is None:
        return NormalDist().inv_cdf(0.5 + confidence / 2)
    # scipy takes a moment to load, and plain rates do without it.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + confidence / 2))
