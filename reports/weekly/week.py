"""A week of the report: ISO 8601, Monday to Sunday, in UTC, so that every week has 168 hours."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_FORM = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)
# What charts show before the week itself: enough to see whether it is out of the ordinary.
WEEKS_BEFORE = 3


class WeekError(ValueError):
    """This is no week; the message is one line."""


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """An ISO week. Its year is that of its Thursday: 2026-W53 ends on 3 January 2027."""

    first_day: date

    def __post_init__(self) -> None:
        if self.first_day.isoweekday() != 1:
            raise WeekError(f"{self.first_day} is no Monday, and a week begins on one")

    def __str__(self) -> str:
        year, number, _ = self.first_day.isocalendar()
        return f"{year}-W{number:02d}"

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=6)

    @property
    def end_day(self) -> date:
        """The day after the last one."""
        return self.first_day + timedelta(days=7)

    @property
    def before(self) -> "Week":
        return Week(self.first_day - timedelta(days=7))

    @property
    def chart_start(self) -> date:
        """The first day that charts show."""
        return self.first_day - timedelta(weeks=WEEKS_BEFORE)

    @property
    def chart_days(self) -> tuple[date, ...]:
        """Every day that charts show, in order."""
        n_days = (self.end_day - self.chart_start).days
        return tuple(self.chart_start + timedelta(days=n) for n in range(n_days))

    @property
    def start(self) -> datetime:
        return _midnight(self.first_day)

    @property
    def end(self) -> datetime:
        return _midnight(self.end_day)

    @property
    def span(self) -> str:
        """`9 to 15 November 2026`."""
        first, last = self.first_day, self.last_day
        if first.year != last.year:
            return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"
        if first.month != last.month:
            return f"{first.day} {first:%B} to {last.day} {last:%B %Y}"
        return f"{first.day} to {last.day} {last:%B %Y}"


def parse_week(text: str) -> Week:
    """`2026-W46`. Raises WeekError for another form and for a week that the year does not have."""
    given = _FORM.fullmatch(text.strip())
    if given is None:
        raise WeekError(f"a week is such as 2026-W46, not {text[:40]!r}")
    try:
        week = Week(date.fromisocalendar(int(given[1]), int(given[2]), 1))
    except ValueError:
        raise WeekError(f"there is no week {text.strip()}") from None
    # Charts reach back and the end is a day later: a calendar ends somewhere.
    if not 1970 <= week.first_day.year <= 9998:
        raise WeekError(f"there were no calls in {text.strip()}")
    return week


def week_of(day: date) -> Week:
    """The week that a day lies in."""
    return Week(day - timedelta(days=day.isoweekday() - 1))


def last_full_week(now: datetime) -> Week:
    """The newest week that is over at `now` (aware)."""
    return week_of(now.astimezone(UTC).date()).before


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
