"""Metrics that are a query of the rule's own."""

import math
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule, SqlMetric
from orchestration.alerts.reading.guard import fetch
from orchestration.alerts.reading.mart import split
from orchestration.alerts.reading.statements import query_statement
from orchestration.alerts.reading.types import Group, ReadingError, Sums, Window


def query_windows(
    connection: psycopg.Connection[TupleRow], rule: Rule, metric: SqlMetric, *, windows: Sequence[Window]
) -> list[dict[Group, Sums]]:
    """Each window's groups, a query a window, in the guarded transaction of the caller."""
    statement = query_statement(metric.query, rule.group_by)
    return [
        _window(rule, fetch(connection, statement, {"start": start, "end": end})) for start, end in windows
    ]


def _window(rule: Rule, rows: Sequence[TupleRow]) -> dict[Group, Sums]:
    found: dict[Group, Sums] = {}
    for row in rows:
        group, figures = split(rule, row)
        if group in found:
            raise ReadingError(f"gives two rows for {', '.join(value for _, value in group) or 'all'}"[:300])
        found[group] = _sums(figures)
    return found


def _sums(figures: Sequence[Any]) -> Sums:
    value, n, low, high = (None if _is_nan(figure) else figure for figure in figures)
    if value is None:
        return Sums(0.0, 0.0)
    return Sums(value, 1.0, n=n or 0, value=value, low=low, high=high)


def _is_nan(figure: Any) -> bool:
    return isinstance(figure, float) and math.isnan(figure)
