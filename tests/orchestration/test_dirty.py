"""Marks of dirty hours: seen versions go, unseen ones stay."""

from datetime import UTC, date, datetime, timedelta

import psycopg
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.dirty import (
    Stage,
    clear,
    clear_before,
    dirty_windows,
    mark_hours,
    result_marks,
    snapshot,
)
from orchestration.windows import Window, hour_window
from tests.orchestration.seeding import DAY_START, rows

Connection = psycopg.Connection[TupleRow]
NOW = DAY_START + timedelta(hours=23)


def mark(connection: Connection, *hours: float, stage: Stage = "calls") -> None:
    with connection.transaction():
        mark_hours(connection, [DAY_START + timedelta(hours=hour) for hour in hours], stage=stage)


def left(connection: Connection) -> list[TupleRow]:
    return rows(connection, "select hour, stage from raw.dirty_hours order by hour, version")


def test_a_moment_marks_its_hour_once_per_call(connection: Connection) -> None:
    mark(connection, 1.2, 1.9, 3.0)

    assert left(connection) == [
        (DAY_START + timedelta(hours=1), "calls"),
        (DAY_START + timedelta(hours=3), "calls"),
    ]


def test_only_the_versions_that_were_seen_are_cleared(connection: Connection) -> None:
    mark(connection, 1)
    seen = snapshot(connection, limit_hours=10, now=NOW)
    mark(connection, 1)

    assert clear(connection, seen) == 1
    assert clear(connection, seen) == 0
    assert len(left(connection)) == 1


def test_two_readers_that_clear_the_same_marks_do_not_wait_for_each_other(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    mark(connection, 1, 2)
    seen = snapshot(connection, limit_hours=10, now=NOW)
    with connect(warehouse) as other:
        other.execute("delete from raw.dirty_hours where version = %s", (seen[0].version,))
        connection.execute("set lock_timeout = '5s'")
        connection.commit()

        assert clear(connection, seen) == 1
        other.commit()

    assert left(connection) == []


def test_a_mark_that_commits_after_the_snapshot_with_an_older_version_stays(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    with connect(warehouse) as late:
        mark_hours(late, [DAY_START], stage="calls")
        mark(connection, 0)
        seen = snapshot(connection, limit_hours=10, now=NOW)
        late.commit()

    clear(connection, seen)

    (kept,) = snapshot(connection, limit_hours=10, now=NOW)
    assert kept.version < seen[0].version


def test_the_newest_hours_come_first_with_all_their_marks(connection: Connection) -> None:
    mark(connection, 1, 2, 3)
    mark(connection, 3, stage="prices")

    seen = snapshot(connection, limit_hours=2, now=NOW)

    assert [(each.hour.hour, each.stage) for each in seen] == [(3, "calls"), (3, "prices"), (2, "calls")]
    assert dirty_windows(seen) == [Window(DAY_START + timedelta(hours=2), DAY_START + timedelta(hours=4))]


def test_hours_far_in_the_future_wait_and_take_no_place(connection: Connection) -> None:
    mark(connection, 3, 24 * 400)

    assert [each.hour.hour for each in snapshot(connection, limit_hours=1, now=NOW)] == [3]
    assert len(left(connection)) == 2


def test_hours_of_tomorrow_count(connection: Connection) -> None:
    mark(connection, 26)

    assert len(snapshot(connection, limit_hours=1, now=NOW)) == 1


def test_hours_before_the_first_day_are_not_worked_on_and_can_be_dropped(connection: Connection) -> None:
    mark(connection, -1, 0)
    first_day = DAY_START.date()

    assert [each.hour for each in snapshot(connection, limit_hours=9, start=first_day, now=NOW)] == [
        DAY_START
    ]
    assert clear_before(connection, start=first_day) == 1
    assert left(connection) == [(DAY_START, "calls")]


def test_result_marks_are_the_scores_and_charges_of_the_windows(connection: Connection) -> None:
    stages: tuple[Stage, ...] = ("calls", "scores", "charges", "labels", "prices")
    for stage in stages:
        mark(connection, 1, 2, stage=stage)
    second = hour_window(DAY_START + timedelta(hours=2))

    found = [(each.hour.hour, each.stage) for each in result_marks(connection, [second])]

    assert found == [(2, "scores"), (2, "charges")]


def test_the_default_first_day_is_the_one_of_the_settings(connection: Connection) -> None:
    with connection.transaction():
        mark_hours(connection, [datetime(2022, 12, 31, 23, tzinfo=UTC)], stage="calls")

    assert snapshot(connection, limit_hours=9) == []
    assert clear_before(connection, start=date(2023, 1, 1)) == 1
