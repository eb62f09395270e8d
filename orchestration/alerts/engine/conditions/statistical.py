"""Conditions against a spread: the same hours of the last weeks, and a statistical drop."""

from collections.abc import Sequence

import numpy as np

from evaluators.statistics.multiplicity import benjamini_hochberg
from evaluators.statistics.sums import (
    MAD_SCALE,
    Test,
    compare_means,
    compare_shares,
    median_and_mad,
    variance_of,
)
from orchestration.alerts.definition.model import Drop, Rule, Seasonal
from orchestration.alerts.engine.conditions.figures import SUMS, Figures
from orchestration.alerts.engine.conditions.plain import directed, filled
from orchestration.alerts.engine.verdict import Verdicts
from orchestration.alerts.reading.types import Floats

# Of two or three weeks the spread is little more than a guess; below that there is none.
FEWEST_WEEKS = 3


class ConditionError(ValueError):
    """A condition cannot be put to its metric; the message is one line."""


def seasonal(rule: Rule, condition: Seasonal, windows: Sequence[Figures]) -> Verdicts:
    """Against the median of the same window of the last weeks, in robust standard deviations.

    The spread is the greatest of 1.4826 MAD, `least_spread` of the median, and what chance alone does to the
    current figure (a count: the root of the median; a share or mean: its standard error). Weeks without rows,
    or with too few calls for a share or mean, are none; with fewer than three there is no verdict.
    """
    now, *weeks = windows
    value, is_enough = filled(rule, now, weeks)
    held = np.stack([_week(rule, week) for week in weeks])
    n_weeks = np.isfinite(held).sum(axis=0)
    median, mad = median_and_mad(held)
    spread = np.fmax(MAD_SCALE * mad, condition.least_spread * np.abs(median))
    spread = np.fmax(spread, _chance(now, median))
    moved = directed(value - median, condition.direction)
    is_known = is_enough & (n_weeks >= min(FEWEST_WEEKS, condition.weeks)) & np.isfinite(value)
    reach = np.maximum(condition.deviations * spread, condition.effect * np.abs(median))
    is_breach = is_known & (moved > reach)
    sign = np.sign(value - median) if condition.direction == "both" else _sign(condition.direction)
    return Verdicts(
        value=value,
        threshold=median + sign * reach,
        n=now.n,
        is_present=now.is_present,
        is_known=is_known,
        is_breach=is_breach,
        is_holding=is_breach,
        baseline=median,
        low=median - condition.deviations * spread,
        high=median + condition.deviations * spread,
    )


def drop(rule: Rule, condition: Drop, windows: Sequence[Figures]) -> Verdicts:
    """A change against the baseline that is beyond doubt among all groups, and at least `effect`.

    `low` and `high` are of the difference. Raises ConditionError for a metric without a spread.
    """
    now, before = windows
    found = _test(rule, now, before)
    is_known = (
        (now.n >= max(rule.minimum_n, 2)) & (before.n >= max(rule.minimum_n, 2)) & np.isfinite(found.change)
    )
    p = {
        "up": found.p_up,
        "down": found.p_down,
        "both": np.minimum(1.0, 2 * np.minimum(found.p_up, found.p_down)),
    }[condition.direction]
    # Only what could be told is a test: groups with too few calls must not raise the bar for the others.
    p = np.where(is_known, p, np.nan)
    q = benjamini_hochberg(p)
    moved = directed(found.change, condition.direction)
    resolve = condition.effect if condition.resolve is None else condition.resolve
    sign = np.sign(found.change) if condition.direction == "both" else _sign(condition.direction)
    return Verdicts(
        value=now.value,
        threshold=before.value + sign * condition.effect,
        n=now.n,
        is_present=now.is_present,
        is_known=is_known,
        is_breach=is_known & (q <= condition.alpha) & (moved >= condition.effect),
        is_holding=is_known & (moved > resolve),
        baseline=before.value,
        low=found.low,
        high=found.high,
        p=p,
        q=q,
    )


def _test(rule: Rule, now: Figures, before: Figures) -> Test:
    if now.kind == "share":
        return compare_shares(now.numerator, now.denominator, before.numerator, before.denominator)
    if now.kind == "mean" and now.squares is not None and before.squares is not None:
        return compare_means(
            (now.numerator, now.squares, now.denominator),
            (before.numerator, before.squares, before.denominator),
        )
    if now.kind == "mean" and not now.value.size:
        return compare_shares(now.numerator, now.denominator, before.numerator, before.denominator)
    raise ConditionError(f"{rule.name}: a drop needs a share, or a mean with `squares`")


def _week(rule: Rule, week: Figures) -> Floats:
    if week.kind in SUMS:
        return week.value
    return np.where(week.n >= rule.minimum_n, week.value, np.nan)


def _chance(now: Figures, median: Floats) -> Floats:
    """The standard error of the current figure if nothing had changed; NaN where it is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if now.kind == "count":
            return np.sqrt(np.abs(median))
        if now.kind == "share":
            share = np.clip(median, 0.0, 1.0)
            return np.sqrt(share * (1 - share) / now.denominator)
        if now.kind == "mean" and now.squares is not None:
            return np.sqrt(variance_of(now.numerator, now.squares, now.denominator) / now.denominator)
    return np.full(median.shape, np.nan)


def _sign(direction: str) -> float:
    return -1.0 if direction == "down" else 1.0
