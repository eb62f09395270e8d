"""A promotion moves the line from a day on, and no earlier day."""

from datetime import date, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.versions.bridging import bridge_versions
from orchestration.versions.periods import Period, current_at, periods_of
from orchestration.versions.promoting import GapError, NotBridgedError, promote, retire
from orchestration.versions.registry import Version, VersionError, find_version
from tests.orchestration.seeding import DAY_START, add_calls, count, rows
from tests.orchestration.versions.scoring import score, version

Connection = psycopg.Connection[TupleRow]
DAY = timedelta(days=1)
FIRST = DAY_START.date()
# The fourth day: three are over.
NOW = DAY_START + 3 * DAY + timedelta(hours=9)
PERIODS = """
select evaluator_version, current_from, current_to from evaluation.version_periods
order by current_from nulls first
"""


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def start(number: int) -> datetime:
    return DAY_START + number * DAY


@pytest.fixture
def two(connection: Connection) -> tuple[Version, Version]:
    """Four days of 100 calls: the first version has scored all, the second one the second and third day."""
    with connection.transaction():
        for number in range(4):
            add_calls(connection, 100, start=start(number), seed=f"day {number}")
        connection.execute("delete from raw.dirty_hours")
    one, other = version(connection, "v1"), version(connection, "v2")
    score(connection, one, [4, 5], start=start(0), end=start(4))
    score(connection, other, [3, 5], start=start(1), end=start(3))
    bridge_versions(connection, before=one, after=other, first_day=day(1), last_day=day(2))
    return one, other


def current(connection: Connection, moments: list[datetime], *, evaluator: str = "tone") -> list[str | None]:
    names = dict(rows(connection, "select id, version from evaluation.evaluator_versions"))
    with connection.transaction():
        periods = periods_of(connection, evaluator)
    return [names.get(current_at(periods, moment)) for moment in moments]


def test_earlier_days_keep_their_version(connection: Connection, two: tuple[Version, Version]) -> None:
    done = promote(connection, two[1], from_day=day(4), now=NOW)

    assert done.is_changed and done.restated == () and done.previous == two[0].id
    last = timedelta(milliseconds=1)
    assert current(connection, [start(0), start(4) - last, start(4), start(400)]) == ["v1", "v1", "v2", "v2"]
    # Nothing of the past has changed, so nothing is to be modelled again.
    assert count(connection, "raw.dirty_hours") == 0
    assert count(connection, "evaluation.restatements") == 0


def test_promoting_twice_changes_nothing(connection: Connection, two: tuple[Version, Version]) -> None:
    promote(connection, two[1], from_day=day(2), now=NOW)
    tables = ("version_starts", "evaluator_versions", "restatements", "judgements")
    before = [rows(connection, f"select * from evaluation.{table} order by 1, 2") for table in tables]  # type: ignore[arg-type]
    marks = rows(connection, "select * from raw.dirty_hours order by version")

    again = promote(connection, two[1], from_day=day(2), now=NOW + DAY)
    later = promote(connection, two[1], from_day=day(3), now=NOW + DAY)

    assert not again.is_changed and not later.is_changed
    assert [rows(connection, f"select * from evaluation.{table} order by 1, 2") for table in tables] == before  # type: ignore[arg-type]
    assert rows(connection, "select * from raw.dirty_hours order by version") == marks


def test_days_that_are_over_change_only_when_asked_for_and_say_so(
    connection: Connection, two: tuple[Version, Version]
) -> None:
    done = promote(connection, two[1], from_day=day(1), now=NOW)

    assert done.restated == (day(1), day(2))
    restated = rows(
        connection,
        "select day, stage, n_calls_before, n_calls_after, reason from evaluation.restatements order by 1",
    )
    reason = f"tone@v2 is current from {day(1)} on"
    assert restated == [(day(1), "versions", 100, 100, reason), (day(2), "versions", 100, 100, reason)]
    # Both versions' hours of the days from then on, today's too; the first day's are left alone.
    marked = rows(connection, "select distinct hour from raw.dirty_hours where stage = 'scores' order by 1")
    assert [hour.date() for (hour,) in marked] == [day(1), day(2), day(3)]
    # No score has gone or changed.
    assert count(connection, "evaluation.judgements") == 600


def test_a_day_without_its_scores_is_not_given_to_a_version(
    connection: Connection, two: tuple[Version, Version]
) -> None:
    with pytest.raises(GapError, match=f"100 calls of {day(0)} to {day(0)} have no result of tone@v2"):
        promote(connection, two[1], from_day=day(0), now=NOW)
    assert current(connection, [start(0), start(9)]) == ["v1", "v1"]

    done = promote(connection, two[1], from_day=day(0), are_gaps_waived=True, now=NOW)
    assert done.restated == (day(0), day(1), day(2))
    assert rows(connection, "select n_calls_after from evaluation.restatements order by day") == [
        (0,),
        (100,),
        (100,),
    ]


def test_without_a_bridge_nobody_is_promoted_by_mistake(connection: Connection) -> None:
    version(connection, "v1")
    draft = version(connection, "v2")
    with pytest.raises(
        NotBridgedError, match="shares 0 bridged calls with the version before it; 200 are needed"
    ):
        promote(connection, draft, from_day=day(4), now=NOW)
    assert current(connection, [start(9)]) == ["v1"]

    done = promote(connection, draft, from_day=day(4), is_bridge_waived=True, now=NOW)
    assert done.is_changed and len(done.warnings) == 1
    assert current(connection, [start(9)]) == ["v2"]


def test_a_bridge_on_too_few_calls_is_none(connection: Connection, two: tuple[Version, Version]) -> None:
    """One day of 100 shared calls, where 200 are needed."""
    bridge_versions(connection, before=two[0], after=two[1], first_day=day(1), last_day=day(1))
    with pytest.raises(NotBridgedError, match="shares 100 bridged calls"):
        promote(connection, two[1], from_day=day(4), now=NOW)


def test_a_version_may_come_back_and_both_of_its_spans_count(
    connection: Connection, two: tuple[Version, Version]
) -> None:
    promote(connection, two[1], from_day=day(4), now=NOW)
    back = find_version(connection, "tone@v1")
    promote(connection, back, from_day=day(6), is_bridge_waived=True, now=NOW)

    assert current(connection, [start(3), start(5), start(6), start(60)]) == ["v1", "v2", "v1", "v1"]
    assert rows(connection, PERIODS) == [
        ("v1", None, start(4)),
        ("v2", start(4), start(6)),
        ("v1", start(6), None),
    ]


def test_status_and_days_of_the_versions_follow(connection: Connection, two: tuple[Version, Version]) -> None:
    promote(connection, two[1], from_day=day(3), now=NOW)
    one, other = find_version(connection, "tone@v1"), find_version(connection, "tone@v2")
    assert (one.status, one.current_to, other.status, other.current_from, other.current_to) == (
        "retired",
        start(3),
        "active",
        start(3),
        None,
    )


def test_a_version_that_is_replaced_over_all_its_days_is_retired(
    connection: Connection, two: tuple[Version, Version]
) -> None:
    promote(connection, two[1], from_day=day(4), now=NOW)
    third = version(connection, "v3")
    promote(connection, third, from_day=day(4), is_bridge_waived=True, now=NOW)

    assert rows(connection, PERIODS) == [("v1", None, start(4)), ("v3", start(4), None)]
    assert find_version(connection, "tone@v2").status == "retired"


def test_a_retired_evaluator_judges_no_later_call(
    connection: Connection, two: tuple[Version, Version]
) -> None:
    assert retire(connection, two[0], from_day=day(5), now=NOW)
    assert not retire(connection, two[0], from_day=day(5), now=NOW)
    assert current(connection, [start(4), start(5)]) == ["v1", None]
    with pytest.raises(VersionError, match="is over"):
        retire(connection, two[0], from_day=day(2), now=NOW)


def test_a_draft_that_is_put_away_leaves_its_scores(
    connection: Connection, two: tuple[Version, Version]
) -> None:
    assert retire(connection, two[1], from_day=day(5), now=NOW)
    assert find_version(connection, "tone@v2").status == "retired"
    assert current(connection, [start(9)]) == ["v1"]
    assert count(connection, "evaluation.judgements") == 600


def test_a_period_is_half_open() -> None:
    period = Period(1, start(1), start(2))
    last = timedelta(microseconds=1)
    assert [period.holds(at) for at in (start(1) - last, start(1), start(2) - last, start(2))] == [
        False,
        True,
        True,
        False,
    ]
