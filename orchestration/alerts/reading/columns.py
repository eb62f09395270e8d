"""A mart's columns, and which of them says when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import MartMetric
from orchestration.alerts.reading.types import ReadingError, Window

TIMES = ("hour", "day", "started_at")
COLUMNS: LiteralString = """
select attname::text, format_type(atttypid, null)
from pg_attribute
where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
"""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Time:
    """The column that says when; of a date, a day is in a window when it begins in it."""

    name: str
    is_date: bool

    @property
    def step(self) -> timedelta:
        """The mart's grain; calls of a mart by the moment are counted by the hour."""
        return DAY if self.is_date else HOUR

    @property
    def array(self) -> str:
        """The type of a list of window's ends."""
        return "date[]" if self.is_date else "timestamptz[]"

    def bound(self, at: datetime) -> Any:
        """A window's end as the column's type."""
        return ceiling(at, DAY).date() if self.is_date else at

    def bounds(self, windows: list[Window]) -> Mapping[str, list[Any]]:
        """The ends of all windows, as parameters."""
        starts, ends = zip(*windows, strict=True) if windows else ((), ())
        return {"starts": [self.bound(at) for at in starts], "ends": [self.bound(at) for at in ends]}


def read_columns(connection: psycopg.Connection[TupleRow], mart: str) -> dict[str, str]:
    """Column to type. Raises ReadingError where there is no such mart."""
    found: dict[str, str] = dict(connection.execute(COLUMNS, [f'marts."{mart}"']).fetchall())
    if not found:
        raise ReadingError(f"there is no mart {mart}")
    return found


def time_of(metric: MartMetric, columns: Mapping[str, str]) -> Time | None:
    """Its column of time, `at` or the first of hour, day and started_at; None: it holds the present alone."""
    name = metric.at or next((name for name in TIMES if name in columns), None)
    if name is None:
        return None
    if columns.get(name) not in ("date", "timestamp with time zone"):
        raise ReadingError(f"{metric.mart} has no column {name} of days or moments")
    return Time(name, is_date=columns[name] == "date")


def ceiling(at: datetime, step: timedelta) -> datetime:
    """The first whole hour or UTC day that does not begin before."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + -((epoch - at.astimezone(UTC)) // step) * step
