"""Which windows a condition compares, as of a moment."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from orchestration.alerts.definition.model import (
    BurnRate,
    CalendarWindow,
    Change,
    Drop,
    MartMetric,
    RollingWindow,
    Rule,
    Seasonal,
)
from orchestration.alerts.definition.spans import span
from orchestration.alerts.engine.conditions.figures import SUMS
from orchestration.alerts.reading.types import Window

INSTANT = timedelta(microseconds=1)


def windows_of(rule: Rule, *, now: datetime) -> list[Window]:
    """The current window first, then those it is compared with, in the order that the condition reads them.

    Aware, [start, end). Weeks and days before are those of the clock on the wall where the window is of a
    calendar, so that a day of 23 or 25 hours is compared with the same hours; else spans of 24 hours.
    A sum that is compared with others is of hours that are over: five minutes of this hour against a whole
    one of last week would be a fall each time the clock strikes.
    """
    if _is_compared_sum(rule):
        now = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    match rule.condition:
        case BurnRate(long=long, short=short):
            return [(now - span(long), now), (now - span(short), now)]
        case Change(against=against):
            return [window_at(rule, now=now), window_at(rule, now=now, ago=span(against))]
        case Seasonal(weeks=weeks):
            return [window_at(rule, now=now, ago=timedelta(weeks=week)) for week in range(weeks + 1)]
        case Drop(baseline=baseline):
            current = window_at(rule, now=now)
            return [current, (current[0] - span(baseline), current[0])]
        case _:
            return [window_at(rule, now=now)]


def window_at(rule: Rule, *, now: datetime, ago: timedelta = timedelta()) -> Window:
    """The rule's window as it stood `ago` before now."""
    match rule.window:
        case RollingWindow(span=length):
            return now - ago - span(length), now - ago
        case CalendarWindow(period=period, time_zone=name):
            zone = ZoneInfo(name)
            # Whole days are taken off the clock on the wall; a part of a day is a length of time.
            is_whole = ago >= timedelta(days=1) and not ago % timedelta(days=1)
            local = now.astimezone(zone) - ago if is_whole else (now - ago).astimezone(zone)
            start, end = _begin(local, period).astimezone(UTC), local.astimezone(UTC)
            # At midnight sharp a day has begun of which nothing is over yet.
            return start, max(end, start + INSTANT)


def _is_compared_sum(rule: Rule) -> bool:
    is_sum = isinstance(rule.metric, MartMetric) and rule.metric.kind in SUMS
    is_rolling = isinstance(rule.window, RollingWindow)
    return is_sum and is_rolling and isinstance(rule.condition, Change | Seasonal)


def reach_of(rule: Rule, *, now: datetime) -> timedelta:
    """How far back the rule's windows reach."""
    return now - min(start for start, _ in windows_of(rule, now=now))


def length_of(rule: Rule) -> timedelta:
    """How long the rule's window is, at the longest."""
    if isinstance(rule.condition, BurnRate):
        return span(rule.condition.long)
    if isinstance(rule.window, RollingWindow):
        return span(rule.window.span)
    return {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
        "month": timedelta(days=31),
    }[rule.window.period]


def _begin(local: datetime, period: str) -> datetime:
    if period == "hour":
        # By the instant: where the clock is set back an hour comes twice.
        return local.replace(minute=0, second=0, microsecond=0)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period == "week":
        return midnight - timedelta(days=midnight.weekday())
    return midnight.replace(day=1) if period == "month" else midnight
