"""Sliding windows over a rule's series: any window of any group is a difference of two running totals."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from orchestration.alerts.engine.conditions.figures import Figures, figures
from orchestration.alerts.reading.types import Floats, Group, Series, Window

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Totals:
    """Running totals of all groups: arrays of (steps + 1) × groups, their first row 0."""

    starts: Sequence[datetime]
    places: Mapping[Group, int]
    numerator: Floats
    denominator: Floats
    squares: Floats | None
    n: Floats

    @property
    def step(self) -> timedelta:
        """The series' grain."""
        return self.starts[1] - self.starts[0] if len(self.starts) > 1 else HOUR

    @property
    def groups(self) -> list[Group]:
        return list(self.places)

    def figures(self, kind: str, windows: Sequence[Window]) -> Figures:
        """The figures of each window (rows) and group (columns); a row of the series belongs to the window
        that its start lies in, as in `read_windows`."""
        low = np.array([bisect_left(self.starts, start) for start, _ in windows])
        high = np.array([bisect_left(self.starts, end) for _, end in windows])
        high = np.maximum(high, low)

        def between(total: Floats) -> Floats:
            return total[high] - total[low]

        return figures(
            kind,
            numerator=between(self.numerator),
            denominator=between(self.denominator),
            squares=None if self.squares is None else between(self.squares),
            n=between(self.n),
        )

    def only(self, groups: Sequence[Group]) -> "Totals":
        """The totals of these groups alone."""
        columns = [self.places[group] for group in groups]
        squares = None if self.squares is None else self.squares[:, columns]
        return Totals(
            self.starts,
            {group: index for index, group in enumerate(groups)},
            self.numerator[:, columns],
            self.denominator[:, columns],
            squares,
            self.n[:, columns],
        )


def totals_of(series: Series) -> Totals:
    """The running totals of a series; its groups in order."""
    groups = sorted(series.groups)
    n_steps = len(series.starts)
    has_squares = bool(groups) and all(series.groups[group].squares is not None for group in groups)

    def total(name: str) -> Floats:
        found = np.zeros((n_steps + 1, len(groups)))
        for column, group in enumerate(groups):
            found[1:, column] = getattr(series.groups[group], name)
        np.cumsum(found, axis=0, out=found)
        return found

    return Totals(
        list(series.starts),
        {group: column for column, group in enumerate(groups)},
        total("numerator"),
        total("denominator"),
        total("squares") if has_squares else None,
        total("n"),
    )
