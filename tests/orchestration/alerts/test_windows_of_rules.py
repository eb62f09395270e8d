"""Windows, calendars and quiet hours, also where the clock on the wall is set."""

from datetime import UTC, datetime, time, timedelta

import pytest

from orchestration.alerts.definition.model import (
    CalendarWindow,
    Change,
    Drop,
    MartMetric,
    QuietHours,
    RollingWindow,
    Seasonal,
)
from orchestration.alerts.engine.conditions.windows import windows_of
from orchestration.alerts.engine.quiet import quiet_until
from tests.orchestration.alerts.written_rules import rule

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def calendar(period: str, now: datetime, *, zone: str = BERLIN) -> tuple[datetime, datetime]:
    return windows_of(rule(window=CalendarWindow(period=period, time_zone=zone)), now=now)[0]  # type: ignore[arg-type]


def test_a_condition_brings_the_windows_that_it_compares() -> None:
    rolling = RollingWindow(span="2h")
    seasonal = windows_of(rule(window=rolling, condition=Seasonal(weeks=2)), now=NOON)
    assert seasonal == [(NOON - 2 * HOUR - 7 * DAY * week, NOON - 7 * DAY * week) for week in range(3)]
    change = windows_of(rule(window=rolling, condition=Change(against="1d", relative=0.5)), now=NOON)
    assert change[1] == (NOON - 26 * HOUR, NOON - 24 * HOUR)
    drop = windows_of(rule(window=rolling, condition=Drop(baseline="7d", effect=0.1)), now=NOON)
    assert drop[1] == (NOON - 2 * HOUR - 7 * DAY, NOON - 2 * HOUR)


def test_sums_are_compared_over_hours_that_are_over() -> None:
    spent = MartMetric(mart="calls_hourly", kind="sum", numerator="amount_usd")
    compared = rule(metric=spent, window=RollingWindow(span="2h"), condition=Seasonal(weeks=2))
    assert windows_of(compared, now=NOON + timedelta(minutes=5)) == windows_of(compared, now=NOON)
    alone = rule(metric=spent, window=RollingWindow(span="2h"))
    assert windows_of(alone, now=NOON + timedelta(minutes=5))[0][1] == NOON + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("period", "start"),
    [
        ("hour", "2026-11-10T12:00+00:00"),
        ("day", "2026-11-09T23:00+00:00"),
        ("week", "2026-11-08T23:00+00:00"),
        ("month", "2026-10-31T23:00+00:00"),
    ],
)
def test_a_calendar_window_begins_by_the_clock_on_the_wall(period: str, start: str) -> None:
    now = NOON + timedelta(minutes=20)
    assert calendar(period, now) == (datetime.fromisoformat(start), now)


def test_a_month_that_began_in_summer_time_begins_an_hour_earlier_in_utc() -> None:
    start, _ = calendar("month", datetime(2026, 10, 28, 12, tzinfo=UTC))
    assert start == datetime(2026, 9, 30, 22, tzinfo=UTC)


def test_the_days_on_which_the_clock_is_set_have_23_and_25_hours() -> None:
    lengths = []
    for day in (datetime(2026, 3, 29, 21, 59, tzinfo=UTC), datetime(2026, 10, 25, 22, 59, tzinfo=UTC)):
        start, end = calendar("day", day)
        lengths.append(round((end - start) / HOUR))
    assert lengths == [23, 25]


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert calendar("hour", first)[0] == first - timedelta(minutes=30)
    assert calendar("hour", second)[0] == second - timedelta(minutes=30)


def test_last_weeks_window_of_a_calendar_ends_at_the_same_time_on_the_wall() -> None:
    checked = rule(window=CalendarWindow(period="day", time_zone=BERLIN), condition=Seasonal(weeks=2))
    now = datetime(2026, 10, 26, 11, tzinfo=UTC)  # noon in winter; a week before it was noon in summer
    [this, last, _] = windows_of(checked, now=now)
    assert this == (datetime(2026, 10, 25, 23, tzinfo=UTC), now)
    assert last == (datetime(2026, 10, 18, 22, tzinfo=UTC), datetime(2026, 10, 19, 10, tzinfo=UTC))


def test_at_midnight_the_new_day_is_empty_and_no_error() -> None:
    start, end = calendar("day", datetime(2026, 11, 10, tzinfo=UTC), zone="UTC")
    assert start == datetime(2026, 11, 10, tzinfo=UTC) and start < end < start + timedelta(seconds=1)


NIGHT = QuietHours(start=time(22), end=time(7), time_zone=BERLIN)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-10T20:59+00:00", None),
        ("2026-11-10T21:00+00:00", "2026-11-11T06:00+00:00"),
        ("2026-11-11T05:59+00:00", "2026-11-11T06:00+00:00"),
        ("2026-11-11T06:00+00:00", None),
        # The clock goes forward in the night: seven o'clock is an hour earlier.
        ("2026-03-28T23:00+00:00", "2026-03-29T05:00+00:00"),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(at: str, until: str | None) -> None:
    found = quiet_until(NIGHT, at=datetime.fromisoformat(at), severity="warning")
    assert found == (None if until is None else datetime.fromisoformat(until))


def test_what_is_critical_is_told_at_any_hour_unless_the_rule_says_otherwise() -> None:
    midnight = datetime(2026, 11, 10, 23, tzinfo=UTC)
    assert quiet_until(NIGHT, at=midnight, severity="critical") is None
    strict = QuietHours(start=time(22), end=time(7), time_zone=BERLIN, except_critical=False)
    assert quiet_until(strict, at=midnight, severity="critical") is not None
    assert quiet_until(None, at=midnight, severity="info") is None


def test_a_quiet_weekend_is_one_span() -> None:
    weekend = QuietHours(start=time(0), end=time(0), days=["sat", "sun"])
    assert quiet_until(weekend, at=datetime(2026, 11, 14, 9, tzinfo=UTC), severity="info") == datetime(
        2026, 11, 16, tzinfo=UTC
    )
    assert quiet_until(weekend, at=datetime(2026, 11, 16, 9, tzinfo=UTC), severity="info") is None
