"""Half-open UTC windows: what every step of the warehouse is told to work on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The times `start <= t < end`, both aware UTC. Raises ValueError for naive or empty ranges."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() != timedelta(0) or self.end.utcoffset() != timedelta(0):
            raise ValueError(f"a window must be in UTC, got {self.start} to {self.end}")
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts, got {self.start} to {self.end}")


def day_window(day: date) -> Window:
    """The 24 hours of a UTC day."""
    start = datetime.combine(day, time(), tzinfo=UTC)
    return Window(start, start + DAY)


def hour_window(hour: datetime) -> Window:
    """The whole UTC hour that `hour` (aware) lies in."""
    start = floor_hour(hour)
    return Window(start, start + HOUR)


def floor_hour(moment: datetime) -> datetime:
    """The start of the UTC hour of an aware datetime."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def merge(windows: Iterable[Window]) -> list[Window]:
    """The same times as the fewest windows, in order: overlapping and touching ones become one."""
    merged: list[Window] = []
    for window in sorted(windows):
        if merged and window.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return merged


def hours_of(windows: Iterable[Window]) -> list[datetime]:
    """The start of every UTC hour that a window touches, in order and once each."""
    hours: list[datetime] = []
    for window in merge(hour_aligned(windows)):
        n_hours = (window.end - window.start) // HOUR
        hours.extend(window.start + HOUR * n for n in range(n_hours))
    return hours


def days_of(windows: Iterable[Window]) -> list[date]:
    """Every UTC day that a window touches, in order and once each."""
    return sorted({hour.date() for hour in hours_of(windows)})


def hour_aligned(windows: Iterable[Window]) -> list[Window]:
    """Each window widened to whole hours."""
    last_moment = timedelta(microseconds=1)
    return [Window(floor_hour(w.start), floor_hour(w.end - last_moment) + HOUR) for w in windows]


def dbt_windows(windows: Sequence[Window]) -> list[list[str]]:
    """The dbt variable `windows`: merged whole hours as pairs of ISO 8601 times in UTC."""
    return [[_iso(w.start), _iso(w.end)] for w in merge(hour_aligned(windows))]


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
