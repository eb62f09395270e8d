"""Conditions of one window or against one before: a threshold, a change, a budget's pace."""

from collections.abc import Sequence

import numpy as np

from orchestration.alerts.definition.model import BurnRate, Change, Rule, Threshold
from orchestration.alerts.definition.spans import span
from orchestration.alerts.engine.conditions.figures import SUMS, Figures
from orchestration.alerts.engine.verdict import Bools, Verdicts
from orchestration.alerts.reading.types import Floats

PERIOD_SECONDS = {"day": 86_400.0, "week": 7 * 86_400.0, "month": 30 * 86_400.0}


def threshold(rule: Rule, condition: Threshold, windows: Sequence[Figures]) -> Verdicts:
    """Above or below a value; beyond doubt where there is an interval: the whole of it lies there.

    It holds until the value itself is back at `resolve`, or at the threshold where there is none.
    """
    [now] = windows
    is_known = (now.n >= rule.minimum_n) & np.isfinite(now.value)
    above, below = condition.above, condition.below
    limit = above if above is not None else below
    is_breach, is_holding = np.zeros_like(is_known), np.zeros_like(is_known)
    for edge, end, sign in ((above, now.low, 1.0), (below, now.high, -1.0)):
        if edge is None:
            continue
        sure = np.where(np.isnan(end), now.value, end) if condition.beyond_doubt else now.value
        resolve = edge if condition.resolve is None else condition.resolve
        is_breach = is_breach | (sign * (sure - edge) > 0)
        is_holding = is_holding | (sign * (now.value - resolve) > 0)
        # Of two edges the one that was left is told.
        limit = edge if bool(np.any(sign * (now.value - edge) > 0)) else limit
    return Verdicts(
        value=now.value,
        threshold=_full(now.value, limit),
        n=now.n,
        is_present=now.is_present,
        is_known=is_known,
        is_breach=is_known & is_breach,
        is_holding=is_known & is_holding,
        low=now.low,
        high=now.high,
    )


def change(rule: Rule, condition: Change, windows: Sequence[Figures]) -> Verdicts:
    """Against the window before: by more than a share of it and by more than an amount, if both are given."""
    now, before = windows
    value, is_known = filled(rule, now, [before])
    base = before.value
    moved = value - base
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(base == 0, np.sign(moved) * np.inf, moved / np.abs(base))
        # From 0 to 0 is no change.
        relative = np.where((base == 0) & (moved == 0), 0.0, relative)
    is_known = is_known & np.isfinite(base) & np.isfinite(value)
    is_breach, is_holding, eased = np.ones_like(is_known), np.ones_like(is_known), 1.0
    if condition.relative is not None:
        resolve = condition.relative if condition.resolve_relative is None else condition.resolve_relative
        # What ends it at half the share ends it at half the amount.
        eased = resolve / condition.relative if condition.relative else 1.0
        is_breach = is_breach & (directed(relative, condition.direction) > condition.relative)
        is_holding = is_holding & (directed(relative, condition.direction) > resolve)
    if condition.absolute is not None:
        amount = directed(moved, condition.direction)
        is_breach = is_breach & (amount > condition.absolute)
        is_holding = is_holding & (amount > condition.absolute * eased)
    factor = (condition.relative or 0.0) * (-1.0 if condition.direction == "down" else 1.0)
    limit = base * (1 + factor) if condition.relative is not None else base + (condition.absolute or 0.0)
    return Verdicts(
        value=value,
        threshold=limit,
        n=now.n,
        is_present=now.is_present,
        is_known=is_known,
        is_breach=is_known & is_breach,
        is_holding=is_known & is_holding,
        baseline=base,
    )


def burn_rate(rule: Rule, condition: BurnRate, windows: Sequence[Figures]) -> Verdicts:
    """How many times too fast a budget is spent, over a long and a short window; both must be too fast.

    The long one tells that it matters, the short one that it still goes on: it ends soon after the spending
    does (Beyer et al. 2018, The Site Reliability Workbook, chapter 5). Without a budget in the condition each
    group brings its own as the denominator.
    """
    long, short = windows
    given = condition.budget
    budget = long.denominator if given is None else _full(long.value, given)
    rates: list[Floats] = []
    for window, length in ((long, condition.long), (short, condition.short)):
        share = span(length).total_seconds() / PERIOD_SECONDS[condition.period]
        spent = window.numerator if given is None else np.where(np.isnan(window.value), 0.0, window.value)
        with np.errstate(divide="ignore", invalid="ignore"):
            pace = spent / (budget * share)
        # A budget of nothing is spent infinitely fast, but by nothing at all.
        rates.append(np.where(spent == 0, 0.0, pace))
    is_known = long.is_present & (long.n >= rule.minimum_n)
    is_breach = is_known & (rates[0] > condition.factor) & (rates[1] > condition.factor)
    return Verdicts(
        value=rates[0],
        threshold=_full(long.value, condition.factor),
        n=long.n,
        is_present=long.is_present,
        is_known=is_known,
        is_breach=is_breach,
        is_holding=is_breach,
        baseline=budget,
    )


def filled(rule: Rule, now: Figures, before: Sequence[Figures]) -> tuple[Floats, Bools]:
    """The current values, and where enough calls stand behind the comparison.

    A sum without rows is 0 where there were some before: a fall to nothing must show. Its least number of
    calls is therefore asked of the fullest window, that of a share or mean of each.
    """
    counts = [now.n, *(window.n for window in before)]
    if now.kind in SUMS:
        had_rows = np.logical_or.reduce([window.is_present for window in before])
        value = np.where(np.isnan(now.value) & had_rows, 0.0, now.value)
        return value, np.maximum.reduce(counts) >= rule.minimum_n
    return now.value, now.n >= rule.minimum_n


def directed(moved: Floats, direction: str) -> Floats:
    """How far it moved the way that matters."""
    return np.abs(moved) if direction == "both" else -moved if direction == "down" else moved


def _full(like: Floats, value: float | None) -> Floats:
    return np.full(like.shape, np.nan if value is None else value)
