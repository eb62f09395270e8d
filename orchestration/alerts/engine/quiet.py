"""Quiet hours: until when what begins now is not told."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from orchestration.alerts.definition.model import QuietHours

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# A week of quiet days that touch; beyond it a rule would never be told at all.
MOST_SPANS = 8


def quiet_until(quiet: QuietHours | None, *, at: datetime, severity: str) -> datetime | None:
    """When the quiet hours that `at` (aware) lies in end, in UTC; None outside of them.

    `days` are those on which they begin; a span whose end is not after its start ends on the next day. Spans
    that touch are one. Hours are of the clock on the wall: a night in which it is set is longer or shorter.
    """
    if quiet is None or (quiet.except_critical and severity == "critical"):
        return None
    end: datetime | None = None
    for _ in range(MOST_SPANS):
        found = _end_of_span(quiet, at=end or at)
        if found is None:
            return end
        end = found
    return end


def _end_of_span(quiet: QuietHours, *, at: datetime) -> datetime | None:
    zone = ZoneInfo(quiet.time_zone)
    today = at.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        if quiet.days and _DAYS[day.weekday()] not in quiet.days:
            continue
        last = day if quiet.end > quiet.start else day + timedelta(days=1)
        start, end = (
            datetime.combine(on, clock.replace(tzinfo=None), tzinfo=zone).astimezone(UTC)
            for on, clock in ((day, quiet.start), (last, quiet.end))
        )
        if start <= at < end:
            return end
    return None
