"""The score interval of a proportion, for counts and for an effective number of items."""

from math import nan, sqrt

from evaluators.statistics.estimate import Estimate, critical_value, unknown


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of a proportion, both ends within 0 and 1; (0, 1) where `n` is 0.

    Raises ValueError where `successes` is not within 0 and `n` or `confidence` not between 0 and 1. Source:
    Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22, 209–212.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    z = critical_value(confidence)
    if n == 0:
        return 0.0, 1.0
    low, high = score_interval(successes / n, n=n, reach=z)
    # At the ends the formula gives 0 and 1 but for the last bit.
    return 0.0 if successes == 0 else low, 1.0 if successes == n else high


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """The proportion with its score interval; unknown where `n` is 0. Raises as `wilson_interval`."""
    low, high = wilson_interval(successes, n, confidence=confidence)
    return Estimate(successes / n, low, high, n) if n else unknown()


def score_interval(share: float, *, n: float, reach: float) -> tuple[float, float]:
    """The ends for a share of `n` items, `n` being any positive number (an effective size), within 0 and 1.

    `reach` is in standard errors. NaN for both where `n` is not positive.
    """
    if not n > 0:
        return nan, nan
    scale = 1 + reach * reach / n
    centre = (share + reach * reach / (2 * n)) / scale
    half = reach * sqrt(share * (1 - share) / n + reach * reach / (4 * n * n)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)
