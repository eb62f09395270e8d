"""Weeks are ISO weeks in UTC, whatever the year does at its end and the clock in spring."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from reports.weekly.week import Week, WeekError, last_full_week, parse_week, week_of


def test_week_53_ends_in_the_next_year() -> None:
    week = parse_week("2026-W53")
    assert (week.first_day, week.last_day) == (date(2026, 12, 28), date(2027, 1, 3))
    assert str(week) == "2026-W53"
    assert str(week_of(date(2027, 1, 3))) == "2026-W53"
    assert str(week_of(date(2027, 1, 4))) == "2027-W01"
    assert week.span == "28 December 2026 to 3 January 2027"


def test_the_week_before_the_first_one_is_of_the_old_year() -> None:
    assert str(parse_week("2027-W01").before) == "2026-W53"
    assert str(parse_week("2026-W01").before) == "2025-W52"


@pytest.mark.parametrize("text", ["2025-W53", "2026-W54", "2026-W00", "0000-W01"])
def test_a_week_that_a_year_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(WeekError, match=f"there is no week {text}"):
        parse_week(text)


@pytest.mark.parametrize(
    "text", ["", "2026-46", "2026W46", "26-W46", "2026-W4", "2026-W46-1", "２０２６-W46", "x" * 99]
)
def test_another_form_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(WeekError, match="such as 2026-W46") as caught:
        parse_week(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["0001-W01", "9999-W52"])
def test_the_ends_of_the_calendar_are_refused(text: str) -> None:
    with pytest.raises(WeekError, match="no calls"):
        parse_week(text)


def test_only_a_monday_begins_a_week() -> None:
    with pytest.raises(WeekError, match="no Monday"):
        Week(date(2026, 11, 10))


@pytest.mark.parametrize("text", ["2026-W13", "2026-W43", "2026-W11", "2026-W44"])
def test_a_week_in_which_clocks_change_has_as_many_hours_as_any(text: str) -> None:
    week = parse_week(text)
    assert week.end - week.start == timedelta(hours=168)
    assert week.start.utcoffset() == timedelta(0)
    assert len(week.chart_days) == 28 and week.chart_days[-1] == week.last_day


def test_the_last_full_week_is_over_in_utc() -> None:
    sunday = datetime(2026, 11, 15, 23, 59, tzinfo=UTC)
    assert str(last_full_week(sunday)) == "2026-W45"
    assert str(last_full_week(sunday + timedelta(minutes=1))) == "2026-W46"
    # It is Monday in Seoul already, and still Sunday in UTC.
    assert str(last_full_week(datetime(2026, 11, 16, 8, tzinfo=ZoneInfo("Asia/Seoul")))) == "2026-W45"
    assert str(last_full_week(datetime(2026, 11, 15, 20, tzinfo=timezone(-timedelta(hours=8))))) == "2026-W46"


def test_spans_are_said_as_people_say_them() -> None:
    assert parse_week("2026-W46").span == "9 to 15 November 2026"
    assert parse_week("2026-W44").span == "26 October to 1 November 2026"
