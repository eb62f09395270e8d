"""The time that a question is about: whole UTC days, or moments; inside always half-open."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from litestar.di import Provide
from litestar.exceptions import ClientException
from litestar.params import QueryParameter

from reports.api.paging import PAGED

Grain = Literal["hour", "day", "week", "month"]
DayGrain = Literal["day", "week", "month"]
SpanGrain = Literal["all", "day", "week", "month"]
GrainOfSpan = Annotated[SpanGrain, QueryParameter(description="`all` makes one period of the span.")]

DEFAULT_DAYS = 7
DEFAULT_CALL_DAYS = 2
# Wide enough for any warehouse, and far from where dates and their differences end.
EARLIEST, LATEST = date(1970, 1, 1), date(2999, 12, 31)

FirstDay = Annotated[date | None, QueryParameter(description="First UTC day; default six days before `end`.")]
LastDay = Annotated[date | None, QueryParameter(description="Last UTC day, inclusive; default today.")]
_MOMENT = r"^\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d))?$"
From = Annotated[
    str | None,
    QueryParameter(
        description="A UTC day, or a moment such as 2026-11-01T10:00:00Z; default some days before `end`.",
        pattern=_MOMENT,
    ),
]
Until = Annotated[
    str | None,
    QueryParameter(
        description="The last UTC day, inclusive, or a moment, exclusive; default today.", pattern=_MOMENT
    ),
]


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to, but without, `end`; both aware, in UTC."""

    start: datetime
    end: datetime

    @property
    def first_day(self) -> date:
        return self.start.date()

    @property
    def last_day(self) -> date:
        return (self.end - timedelta(microseconds=1)).date()


def read_days(start: FirstDay = None, end: LastDay = None) -> Span:
    """Whole days, seven of them where nothing is said. Raises ClientException."""
    last = _known("end", end) if end else datetime.now(UTC).date()
    first = _known("start", start) if start else max(last - timedelta(days=DEFAULT_DAYS - 1), EARLIEST)
    return _span(_midnight(first), _midnight(last) + timedelta(days=1))


def read_moments(start: From = None, end: Until = None) -> Span:
    """Days or moments, the last two days where nothing is said. Raises ClientException."""
    return _moments(start, end, default_days=DEFAULT_CALL_DAYS)


def read_month(start: From = None, end: Until = None) -> Span:
    """Days or moments, the last 30 days where nothing is said. Raises ClientException."""
    return _moments(start, end, default_days=30)


BY_DAYS = {"span": Provide(read_days, sync_to_thread=False), **PAGED}
BY_MOMENTS = {"span": Provide(read_moments, sync_to_thread=False), **PAGED}
BY_MONTH = {"span": Provide(read_month, sync_to_thread=False), **PAGED}
"""The dependencies of a path that answers of a span, in pages."""


def _moments(start: str | None, end: str | None, *, default_days: int) -> Span:
    today = datetime.now(UTC).date()
    until = _moment("end", end, days_after=1) if end else _midnight(today) + timedelta(days=1)
    since = _moment("start", start) if start else until - timedelta(days=default_days)
    return _span(since, until)


def _span(start: datetime, end: datetime) -> Span:
    if start >= end:
        raise ClientException(
            f"start: {start:%Y-%m-%dT%H:%M:%SZ} is not before the end, {end:%Y-%m-%dT%H:%M:%SZ}"
        )
    return Span(start, end)


def _moment(name: str, text: str, *, days_after: int = 0) -> datetime:
    """A moment, or a day's beginning; `days_after` makes the end of a day of it."""
    try:
        if len(text) == len("2026-11-01"):
            return _midnight(_known(name, date.fromisoformat(text))) + timedelta(days=days_after)
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ClientException(
            f"{name}: {text!r} is neither a day nor a moment such as 2026-11-01T10:00:00Z"
        ) from None
    _known(name, moment.date())
    return moment.astimezone(UTC)


def _known(name: str, day: date) -> date:
    if not EARLIEST <= day <= LATEST:
        raise ClientException(f"{name}: days go from {EARLIEST} to {LATEST}, and {day} is none of them")
    return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
