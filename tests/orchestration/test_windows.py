"""Windows: half-open, UTC, merged, whole hours for dbt."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.windows import (
    HOUR,
    Window,
    day_window,
    days_of,
    dbt_windows,
    hour_window,
    hours_of,
    merge,
)

NOON = datetime(2026, 10, 14, 12, tzinfo=UTC)
MINUTES = st.integers(min_value=0, max_value=6_000)
WINDOWS = st.lists(
    st.tuples(MINUTES, st.integers(min_value=1, max_value=300)).map(
        lambda pair: Window(NOON + timedelta(minutes=pair[0]), NOON + timedelta(minutes=sum(pair)))
    ),
    max_size=8,
)


def test_a_day_is_24_hours_from_midnight_utc() -> None:
    window = day_window(date(2026, 10, 14))

    assert window == Window(datetime(2026, 10, 14, tzinfo=UTC), datetime(2026, 10, 15, tzinfo=UTC))
    assert len(hours_of([window])) == 24


def test_the_hour_of_a_time_in_another_zone_is_the_utc_hour() -> None:
    seoul = timezone(timedelta(hours=9))

    assert hour_window(datetime(2026, 10, 14, 8, 30, tzinfo=seoul)).start == datetime(
        2026, 10, 13, 23, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOON, NOON),
        (NOON, NOON - HOUR),
        (NOON.replace(tzinfo=None), NOON),
        (NOON, (NOON + HOUR).astimezone(timezone(timedelta(hours=9)))),
    ],
)
def test_a_window_that_is_empty_or_not_in_utc_is_refused(start: datetime, end: datetime) -> None:
    with pytest.raises((ValueError, TypeError)):
        Window(start, end)


@given(WINDOWS)
def test_merged_windows_hold_the_same_minutes_and_never_touch(windows: list[Window]) -> None:
    merged = merge(windows)

    assert _minutes(merged) == _minutes(windows)
    assert all(one.end < other.start for one, other in pairwise(merged))


@given(WINDOWS)
def test_hours_days_and_dbt_windows_cover_every_window(windows: list[Window]) -> None:
    touched = {minute.replace(minute=0) for minute in _minutes(windows)}

    assert hours_of(windows) == sorted(touched)
    assert days_of(windows) == sorted({hour.date() for hour in touched})
    pairs = [
        (datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in dbt_windows(windows)
    ]
    assert hours_of([Window(start, end) for start, end in pairs]) == sorted(touched)


def test_dbt_windows_are_whole_hours_written_with_a_z() -> None:
    windows = [Window(NOON, NOON + timedelta(minutes=1)), hour_window(NOON + HOUR)]

    assert dbt_windows(windows) == [["2026-10-14T12:00:00Z", "2026-10-14T14:00:00Z"]]


def _minutes(windows: list[Window]) -> set[datetime]:
    step = timedelta(minutes=1)
    return {w.start + step * n for w in windows for n in range((w.end - w.start) // step)}
