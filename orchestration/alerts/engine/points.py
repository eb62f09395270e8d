"""The chart of a message: the figure of the rule's window as it stood at each of the last 48 steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.engine.conditions.figures import kind_of
from orchestration.alerts.engine.conditions.windows import windows_of
from orchestration.alerts.engine.series import Totals, totals_of
from orchestration.alerts.message import Point
from orchestration.alerts.reading.read import has_series, read_series
from orchestration.alerts.reading.types import Group, ReadingError, Series

N_POINTS = 48
# Read under the lock of the states: a chart is not worth a wait of the other ticks.
PATIENCE_SECONDS = 3
HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Charts:
    """The points of a rule's groups; the series is read once, when the first of them is told."""

    connection: psycopg.Connection[TupleRow]
    rule: Rule
    now: datetime
    totals: Totals | None = field(default=None, init=False)
    is_read: bool = field(default=False, init=False)

    def points(self, group: Mapping[str, str]) -> list[Point]:
        """At most 48, oldest first; none where the rule's figure is no sum of hours."""
        if not self.is_read:
            self.is_read, self.totals = True, self._read()
        names = tuple((name, group[name]) for name in self.rule.group_by if name in group)
        if self.totals is None or names not in self.totals.places:
            return []
        return _points(self.rule, self.totals, names, moments=self._moments(self.totals))

    def _read(self) -> Totals | None:
        if not has_series(self.rule):
            return None
        first = self.now - N_POINTS * timedelta(days=1 if _is_daily(self.rule, self.now) else 0, hours=1)
        start = windows_of(self.rule, now=first)[0][0]
        try:
            return totals_of(self._series(start))
        except ReadingError:
            # The alert is told without its chart.
            return None

    def _series(self, start: datetime) -> Series:
        return read_series(self.connection, self.rule, start=start, end=self.now, seconds=PATIENCE_SECONDS)

    def _moments(self, totals: Totals) -> list[datetime]:
        return [self.now - number * totals.step for number in reversed(range(N_POINTS))]


def _is_daily(rule: Rule, now: datetime) -> bool:
    """Whether hours are too fine: a window of days moves by days."""
    start, end = windows_of(rule, now=now)[0]
    return end - start > timedelta(days=3)


def _points(rule: Rule, totals: Totals, group: Group, *, moments: list[datetime]) -> list[Point]:
    windows = [windows_of(rule, now=moment)[0] for moment in moments]
    only = totals.only([group])
    values = only.figures(kind_of(rule), windows).value[:, 0]
    return [
        Point(moment, float(value) if np.isfinite(value) else None)
        for moment, value in zip(moments, values, strict=True)
    ]
