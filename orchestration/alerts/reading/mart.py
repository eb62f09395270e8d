"""Metrics over marts: the sums of windows, the series, and percentiles out of histograms."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import MartMetric, Rule
from orchestration.alerts.reading.columns import Time, ceiling, read_columns, time_of
from orchestration.alerts.reading.guard import fetch
from orchestration.alerts.reading.percentiles import percentile
from orchestration.alerts.reading.statements import (
    buckets_statement,
    series_statement,
    windows_statement,
)
from orchestration.alerts.reading.types import (
    Floats,
    Group,
    ReadingError,
    Series,
    Sums,
    SumsArray,
    Window,
)


def mart_windows(
    connection: psycopg.Connection[TupleRow], rule: Rule, metric: MartMetric, *, windows: Sequence[Window]
) -> list[dict[Group, Sums]]:
    """Every window's groups by one query, in the guarded transaction of the caller."""
    time = _time(connection, rule, metric)
    is_percentile = metric.kind == "percentile" and time is not None
    statement = (
        buckets_statement(metric, rule.group_by, time)
        if is_percentile and time
        else windows_statement(metric, rule.group_by, time)
    )
    bounds = time.bounds([*windows]) if time else Time("", is_date=False).bounds([*windows])
    found: list[dict[Group, Sums]] = [{} for _ in windows]
    for number, *values in fetch(connection, statement, bounds):
        group, figures = split(rule, values)
        found[number - 1][group] = _percentile(metric, figures) if is_percentile else sums_of(figures)
    return found


def mart_series(
    connection: psycopg.Connection[TupleRow],
    rule: Rule,
    metric: MartMetric,
    *,
    start: datetime,
    end: datetime,
) -> Series:
    """The groups' sums by hour or day, in the guarded transaction of the caller."""
    time = _time(connection, rule, metric)
    if time is None:
        raise ReadingError(f"{metric.mart} holds the present alone, so there is no series of it")
    first = ceiling(start, time.step)
    count = max(0, -((first - end) // time.step))
    parameters = {"first": time.bound(first), "last": time.bound(end)}
    groups: dict[Group, SumsArray] = {}
    for row in fetch(connection, series_statement(metric, rule.group_by, time), parameters):
        group, (steps, *sums) = split(rule, row)
        groups[group] = _array(np.array(steps, dtype=np.int64), sums, metric=metric, count=count)
    return Series([first + time.step * number for number in range(count)], groups)


def split(rule: Rule, values: Sequence[Any]) -> tuple[Group, Sequence[Any]]:
    """A row's group and its figures."""
    width = len(rule.group_by)
    return tuple(zip(rule.group_by, values[:width], strict=True)), values[width:]


def sums_of(figures: Sequence[Any]) -> Sums:
    """The four sums of a row; a numerator that is NULL throughout is nothing measured, not 0."""
    numerator, denominator, squares, n = figures
    if numerator is None:
        return Sums(0.0, 0.0, None if squares is None else 0.0, 0)
    return Sums(numerator, denominator or 0.0, squares, n or 0)


def _percentile(metric: MartMetric, figures: Sequence[Any]) -> Sums:
    buckets, counts = (np.array(values, dtype=np.int64) for values in figures)
    return percentile(buckets, counts, fraction=metric.percentile or 0.5)


def _array(steps: np.ndarray[Any, Any], sums: Sequence[Any], *, metric: MartMetric, count: int) -> SumsArray:
    numerator, denominator, squares, calls = (_floats(values) for values in sums)
    is_known = ~np.isnan(numerator)

    def spread(values: Floats) -> Floats:
        out = np.zeros(count)
        out[steps] = np.where(is_known, np.nan_to_num(values), 0.0)
        return out

    return SumsArray(
        numerator=spread(numerator),
        denominator=spread(denominator),
        squares=spread(squares) if metric.squares else None,
        n=spread(calls).astype(np.int64),
    )


def _floats(values: Sequence[Any]) -> Floats:
    """NULL is NaN."""
    return np.array(values, dtype=np.float64)


def _time(connection: psycopg.Connection[TupleRow], rule: Rule, metric: MartMetric) -> Time | None:
    columns = read_columns(connection, metric.mart)
    if missing := [name for name in rule.group_by if name not in columns]:
        raise ReadingError(f"{metric.mart} has no column {missing[0]} to group by")
    return time_of(metric, columns)
