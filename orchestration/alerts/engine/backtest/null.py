"""Series in which nothing ever changes, with the same traffic: whatever fires on them is a false alarm.

A share or a mean is drawn anew for each hour, with the group's own figure over the span and the hour's own
number of calls. What lasted for long was no chance: those hours do not count for the figure. Of anything
else the days of one weekday trade places within a group: the course of a day and of a week stays, and so
does how much days differ, but no change lasts.
"""

from dataclasses import replace
from datetime import timedelta
from math import ceil

import numpy as np

from orchestration.alerts.engine.series import Totals
from orchestration.alerts.engine.verdict import Bools
from orchestration.alerts.reading.types import Floats

REDRAWN = "each group keeps its mean, that of long alerts left out, and chance alone moves it"
SHUFFLED = "the days of one weekday trade places within each group"
FEWEST_WEEKS = 3
DAY = timedelta(days=1)
# A few groups say little in one run: as many runs as make some 200 of them, at most 20.
MOST_RUNS, ENOUGH_GROUPS, MOST_CELLS = 20, 200, 10_000_000


def null_series(
    kind: str, totals: Totals, *, seed: np.random.Generator, left_out: Bools | None = None
) -> tuple[str, Totals] | None:
    """The method and a series of it; None where the span is too short to trade days.

    `left_out` (steps × groups): what does not count for a group's own figure.
    """
    numerator, denominator = (np.diff(one, axis=0) for one in (totals.numerator, totals.denominator))
    counts = np.ones_like(numerator) if left_out is None else (~left_out).astype(np.float64)
    if kind == "share":
        drawn = _shares(numerator, denominator, counts=counts, seed=seed)
        return REDRAWN, replace(totals, numerator=_running(drawn))
    if kind == "mean" and totals.squares is not None:
        squares = np.diff(totals.squares, axis=0)
        drawn, drawn_squares = _means(numerator, denominator, squares, counts=counts, seed=seed)
        return REDRAWN, replace(totals, numerator=_running(drawn), squares=_running(drawn_squares))
    return _shuffled(totals, seed=seed)


def n_runs(totals: Totals) -> int:
    """How many series to draw."""
    cells = max(1, totals.n.size)
    wanted = ceil(ENOUGH_GROUPS / max(1, len(totals.places)))
    return max(1, min(wanted, MOST_RUNS, MOST_CELLS // cells))


def _shares(numerator: Floats, denominator: Floats, *, counts: Floats, seed: np.random.Generator) -> Floats:
    total = (counts * denominator).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, np.clip((counts * numerator).sum(axis=0) / total, 0.0, 1.0), 0.0)
    drawn = np.zeros_like(numerator)
    is_there = denominator > 0
    n = denominator[is_there].astype(np.int64)
    drawn[is_there] = seed.binomial(n, np.broadcast_to(share, numerator.shape)[is_there])
    return drawn


def _means(
    numerator: Floats, denominator: Floats, squares: Floats, *, counts: Floats, seed: np.random.Generator
) -> tuple[Floats, Floats]:
    total = (counts * denominator).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(total > 0, (counts * numerator).sum(axis=0) / total, 0.0)
        square = np.where(total > 0, (counts * squares).sum(axis=0) / total, 0.0)
        variance = np.maximum(square - mean**2, 0.0)
    drawn = denominator * mean + np.sqrt(denominator * variance) * seed.standard_normal(numerator.shape)
    return drawn, denominator * (variance + mean**2)


def _shuffled(totals: Totals, *, seed: np.random.Generator) -> tuple[str, Totals] | None:
    per_day = max(1, round(DAY / totals.step))
    n_weeks = (len(totals.n) - 1) // (7 * per_day)
    if n_weeks < FEWEST_WEEKS:
        return None
    keys = seed.random((n_weeks, 7, 1, len(totals.places)))
    order = np.argsort(keys, axis=0)

    def traded(running: Floats) -> Floats:
        steps = np.diff(running, axis=0)
        # The newest whole weeks; what is older only serves as a baseline.
        rest, whole = np.split(steps, [len(steps) - n_weeks * 7 * per_day])
        weeks = whole.reshape(n_weeks, 7, per_day, -1)
        moved = np.take_along_axis(weeks, order, axis=0).reshape(whole.shape)
        return _running(np.concatenate([rest, moved]))

    squares = None if totals.squares is None else traded(totals.squares)
    return SHUFFLED, replace(
        totals,
        numerator=traded(totals.numerator),
        denominator=traded(totals.denominator),
        squares=squares,
        n=traded(totals.n),
    )


def _running(steps: Floats) -> Floats:
    found = np.zeros((len(steps) + 1, *steps.shape[1:]))
    np.cumsum(steps, axis=0, out=found[1:])
    return found
