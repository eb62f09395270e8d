"""A window's sums as figures: values with their intervals, for many groups at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.statistics.sums import mean_bounds, wilson_bounds
from orchestration.alerts.definition.model import MartMetric, Rule
from orchestration.alerts.engine.verdict import Bools
from orchestration.alerts.reading.types import Floats, Group, Sums

# Of these the value is a sum, and none is 0; of all others it is a quotient or stands by itself.
SUMS = ("sum", "count")


@dataclass(frozen=True, slots=True)
class Figures:
    """One window of many groups, arrays of one shape; NaN: there is none."""

    kind: str
    value: Floats
    low: Floats
    high: Floats
    n: Floats
    numerator: Floats
    denominator: Floats
    squares: Floats | None

    @property
    def is_present(self) -> Bools:
        """Whether there are rows of the group in the window."""
        return (self.n > 0) | (self.denominator > 0) | np.isfinite(self.value)


def kind_of(rule: Rule) -> str:
    """What the rule's value is; a query's and a built-in figure stand by themselves."""
    return rule.metric.kind if isinstance(rule.metric, MartMetric) else "last"


def figures(
    kind: str, *, numerator: Floats, denominator: Floats, squares: Floats | None, n: Floats
) -> Figures:
    """Values and, for shares and for means with squares, their 95 % intervals."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = np.where(denominator > 0, numerator / denominator, np.nan)
    none = np.full(numerator.shape, np.nan)
    low, high = none, none
    if kind == "share":
        low, high = wilson_bounds(numerator, denominator)
    elif kind == "mean" and squares is not None:
        low, high = mean_bounds(numerator, squares, denominator)
    value = np.where((n > 0) | (denominator > 0), numerator, np.nan) if kind in SUMS else quotient
    return Figures(kind, value, low, high, n, numerator, denominator, squares)


def figures_of(rule: Rule, window: Mapping[Group, Sums], *, groups: Sequence[Group]) -> Figures:
    """The figures of these groups in one window that was read; a group that is not there has none."""
    rows = [window.get(group, _NOTHING) for group in groups]
    has_squares = all(row.squares is not None for row in rows if row is not _NOTHING)
    found = figures(
        kind_of(rule),
        numerator=_array([row.numerator for row in rows]),
        denominator=_array([row.denominator for row in rows]),
        squares=_array([row.squares or 0.0 for row in rows]) if has_squares and rows else None,
        n=_array([row.n for row in rows]),
    )
    given = [_array([getattr(row, name) for row in rows]) for name in ("value", "low", "high")]
    value, low, high = (
        np.where(np.isnan(ours), theirs, ours)
        for ours, theirs in zip(given, (found.value, found.low, found.high), strict=True)
    )
    return Figures(found.kind, value, low, high, found.n, found.numerator, found.denominator, found.squares)


_NOTHING = Sums(0.0, 0.0)


def _array(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
