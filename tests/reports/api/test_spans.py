"""What a question's time is read as."""

from datetime import UTC, date, datetime, timedelta

import pytest
from litestar.exceptions import ClientException

from reports.api.spans import EARLIEST, LATEST, Span, read_days, read_moments


def test_days_are_whole_and_the_last_one_belongs_to_them() -> None:
    span = read_days(date(2026, 11, 1), date(2026, 11, 2))
    assert span == Span(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
    assert (span.first_day, span.last_day) == (date(2026, 11, 1), date(2026, 11, 2))


def test_without_days_the_last_seven_are_meant() -> None:
    span = read_days()
    assert span.end - span.start == timedelta(days=7)
    assert span.start <= datetime.now(UTC) < span.end


def test_a_moment_is_an_exclusive_end_and_a_day_an_inclusive_one() -> None:
    moments = read_moments("2026-11-01T10:30:00+01:00", "2026-11-01T11:00:00Z")
    assert moments == Span(datetime(2026, 11, 1, 9, 30, tzinfo=UTC), datetime(2026, 11, 1, 11, tzinfo=UTC))
    assert read_moments("2026-11-01", "2026-11-01").end == datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        (date(2026, 11, 3), date(2026, 11, 2), "start"),
        (date(1, 1, 1), date(2026, 11, 2), "start"),
        (None, date(9999, 12, 31), "end"),
        (None, date(1, 1, 1), "end"),
    ],
)
def test_days_that_make_no_span_are_named(start: date | None, end: date, named: str) -> None:
    with pytest.raises(ClientException, match=rf"^400: {named}: "):
        read_days(start, end)


@pytest.mark.parametrize("day", [EARLIEST, LATEST])
def test_the_first_and_the_last_day_of_all_are_days(day: date) -> None:
    assert read_days(day, day).first_day == day
    assert read_days(None, day).last_day == day


@pytest.mark.parametrize(
    "moment", ["2026-13-01", "2026-11-01T25:00:00Z", "2026-11-01T10:00:00 01:00", "9999-12-31T23:59:59-12:00"]
)
def test_a_moment_that_is_none_is_named(moment: str) -> None:
    with pytest.raises(ClientException, match=r"^400: end: "):
        read_moments("2026-11-01", moment)
