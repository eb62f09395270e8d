"""Reading a rule: its groups' sums over windows, or the series at the mart's own grain."""

from collections.abc import Sequence
from datetime import datetime

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import BuiltInMetric, MartMetric, Rule
from orchestration.alerts.reading.catalogue import BUILT_IN
from orchestration.alerts.reading.guard import TIMEOUT_SECONDS, bounded, guarded
from orchestration.alerts.reading.mart import mart_series, mart_windows
from orchestration.alerts.reading.query import query_windows
from orchestration.alerts.reading.types import Group, ReadingError, Series, Sums, Window


def read_windows(
    connection: psycopg.Connection[TupleRow], rule: Rule, *, windows: Sequence[Window]
) -> list[dict[Group, Sums]]:
    """Each window's groups, in the order of `windows`. Raises ReadingError with one line.

    Runs in a savepoint that is rolled back, so it can stand inside the caller's transaction. Metrics over
    marts and queries run as a role that reads the marts alone; the built-in ones are our own code.
    """
    if not windows:
        return []
    metric = rule.metric
    if isinstance(metric, BuiltInMetric):
        return _built_in(connection, rule, metric, windows=windows)
    with guarded(connection):
        if isinstance(metric, MartMetric):
            return mart_windows(connection, rule, metric, windows=windows)
        return query_windows(connection, rule, metric, windows=windows)


def has_series(rule: Rule) -> bool:
    """Whether `read_series` can read it: a metric over a mart whose sums add up (no percentile, no query)."""
    return isinstance(rule.metric, MartMetric) and rule.metric.kind not in ("percentile", "last")


def read_series(
    connection: psycopg.Connection[TupleRow],
    rule: Rule,
    *,
    start: datetime,
    end: datetime,
    seconds: float = TIMEOUT_SECONDS,
) -> Series:
    """The groups' sums by the hours or days that begin in [start, end), read in at most `seconds`.

    Raises ReadingError with one line.
    """
    if not isinstance(rule.metric, MartMetric) or not has_series(rule):
        raise ReadingError("has no series: its figures do not add up over windows")
    with guarded(connection, seconds=seconds):
        return mart_series(connection, rule, rule.metric, start=start, end=end)


def _built_in(
    connection: psycopg.Connection[TupleRow],
    rule: Rule,
    metric: BuiltInMetric,
    *,
    windows: Sequence[Window],
) -> list[dict[Group, Sums]]:
    reader = BUILT_IN.get(metric.name)
    if reader is None:
        raise ReadingError(f"there is no reader of {metric.name}")
    with bounded(connection):
        return reader(connection, rule, windows)
