"""Closed days: only when every spool is past them, reopened by what comes later."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import psycopg
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.closing import UNCLOSED, close_day, reopen_changed, reopened_days, unclosed_days
from orchestration.dirty import Stage, mark_hours, snapshot
from tests.ingest.landing_calls import NOON, land, make_call
from tests.orchestration.seeding import DAY, DAY_START, add_calls, plan_nodes, rows

Connection = psycopg.Connection[TupleRow]
TODAY = DAY_START.date()
AFTER = DAY.end + timedelta(hours=2)
RESTATEMENTS = (
    "select day, stage, n_calls_before, n_calls_after from evaluation.restatements order by restated_at"
)


def seed(connection: Connection, n: int, *, seed: str = "a") -> None:
    with connection.transaction():
        add_calls(connection, n, seed=seed)


def closed_at(connection: Connection, day: date) -> datetime:
    with connection.transaction():
        row = connection.execute(
            "select closed_at from evaluation.day_closes where day = %s", (day,)
        ).fetchone()
    assert row
    return row[0]


def add_spool(connection: Connection, watermark: datetime | None, *, host: str = "a") -> None:
    with connection.transaction():
        connection.execute(
            "insert into ingest.spools (spool_id, host, path, low_watermark) values (%s, %s, '/spool', %s)",
            (uuid4(), host, watermark),
        )


def test_a_day_closes_once_with_its_count(connection: Connection) -> None:
    seed(connection, 5)
    add_spool(connection, AFTER)

    first = close_day(connection, TODAY, now=AFTER)
    held = rows(connection, "select * from evaluation.day_closes")
    again = close_day(connection, TODAY, now=AFTER)

    assert (first.state, first.n_calls, first.low_watermark) == ("closed", 5, AFTER)
    assert (again.state, again.is_restated) == ("closed", False)
    assert rows(connection, "select * from evaluation.day_closes") == held
    assert rows(connection, RESTATEMENTS) == []


def test_a_day_that_is_not_over_stays_open(connection: Connection) -> None:
    assert close_day(connection, TODAY, now=DAY.end - timedelta(seconds=1)).state == "open"
    assert close_day(connection, TODAY, now=DAY.end).state == "closed"


def test_a_day_waits_for_every_live_spool(connection: Connection) -> None:
    add_spool(connection, DAY.end)
    add_spool(connection, DAY.end - timedelta(milliseconds=1), host="late")
    add_spool(connection, None, host="silent")

    waiting = close_day(connection, TODAY, now=AFTER)
    with connection.transaction():
        connection.execute("update ingest.spools set low_watermark = %s where host = 'late'", (AFTER,))
        connection.execute("update ingest.spools set retired_at = now() where host = 'silent'")

    assert (waiting.state, waiting.late_spools) == ("open", ("late:/spool", "silent:/spool"))
    assert close_day(connection, TODAY, now=AFTER).state == "closed"


def test_calls_after_the_close_reopen_with_counts_before_and_after(connection: Connection) -> None:
    seed(connection, 5)
    close_day(connection, TODAY, now=AFTER)
    seed(connection, 2, seed="late")

    marks = snapshot(connection, limit_hours=9, now=AFTER)
    reopened = [reopen_changed(connection, marks), reopen_changed(connection, marks)]
    waiting = reopened_days(connection)
    closed = close_day(connection, TODAY, now=AFTER)

    assert reopened == [[TODAY], []]
    assert waiting == [TODAY]
    assert (closed.state, closed.n_calls) == ("closed", 7)
    assert reopened_days(connection) == []
    assert rows(connection, RESTATEMENTS) == [(TODAY, "calls", 5, 7)]


def test_a_close_by_itself_restates_a_count_that_changed(connection: Connection) -> None:
    seed(connection, 5)
    close_day(connection, TODAY, now=AFTER)
    seed(connection, 1, seed="late")
    add_spool(connection, DAY_START, host="late")

    reopened = close_day(connection, TODAY, now=AFTER)

    assert (reopened.state, reopened.is_restated, reopened.n_calls_before) == ("open", True, 5)
    assert reopened_days(connection) == [TODAY]
    assert rows(connection, RESTATEMENTS) == [(TODAY, "calls", 5, 6)]


def test_a_transaction_begun_before_the_close_and_committed_after_it_reopens(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    seed(connection, 1)
    with connect(warehouse) as late:
        add_calls(late, 2, seed="late")
        close_day(connection, TODAY, now=AFTER)
        late.commit()

    assert reopen_changed(connection, snapshot(connection, limit_hours=9, now=AFTER)) == [TODAY]


def test_an_end_committed_after_the_close_by_a_transaction_begun_before_it_is_restated(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    torn = make_call(status="interrupted", output_text="ha", response=None, ended_at=None)
    land(connection, torn)
    day = NOON.date()
    with connect(warehouse) as late, late.transaction():
        land(late, make_call())
        assert close_day(connection, day, now=NOON + timedelta(days=1)).state == "closed"

    marks = snapshot(connection, limit_hours=9)
    assert all(mark.changed_at < closed_at(connection, day) for mark in marks), "no time tells them apart"
    assert [reopen_changed(connection, marks), reopen_changed(connection, marks)] == [[day], []]
    assert rows(connection, RESTATEMENTS) == [(day, "calls", 1, 1)]


def test_calls_whose_marks_waited_at_the_close_are_no_change(connection: Connection) -> None:
    seed(connection, 3)
    close_day(connection, TODAY, now=AFTER)

    assert reopen_changed(connection, snapshot(connection, limit_hours=9, now=AFTER)) == []


def test_a_day_closed_before_marks_were_kept_goes_by_their_time(connection: Connection) -> None:
    seed(connection, 3)
    close_day(connection, TODAY, now=AFTER)
    with connection.transaction():
        connection.execute("update evaluation.day_closes set seen_marks = null")
    before = reopen_changed(connection, snapshot(connection, limit_hours=9, now=AFTER))
    with connection.transaction():
        mark_hours(connection, [DAY_START], stage="calls")

    assert before == []
    assert reopen_changed(connection, snapshot(connection, limit_hours=9, now=AFTER)) == [TODAY]


def test_corrected_prices_reopen_and_the_days_own_scores_do_not(connection: Connection) -> None:
    seed(connection, 3)
    close_day(connection, TODAY, now=AFTER)
    stages: tuple[Stage, ...] = ("scores", "charges", "prices")
    outcomes = []
    for stage in stages:
        with connection.transaction():
            mark_hours(connection, [DAY_START], stage=stage)
        outcomes.append(reopen_changed(connection, snapshot(connection, limit_hours=9, now=AFTER)))

    assert outcomes == [[], [], [TODAY]]
    assert rows(connection, RESTATEMENTS) == [(TODAY, "prices", 3, 3)]


def test_prices_corrected_just_before_the_close_and_applied_after_it_are_restated(
    connection: Connection,
) -> None:
    seed(connection, 3)
    with connection.transaction():
        mark_hours(connection, [DAY_START], stage="prices")
    close_day(connection, TODAY, now=AFTER)

    assert reopen_changed(connection, snapshot(connection, limit_hours=9, now=AFTER)) == [TODAY]
    assert rows(connection, RESTATEMENTS) == [(TODAY, "prices", 3, 3)]


def test_changes_of_days_never_closed_restate_nothing(connection: Connection) -> None:
    seed(connection, 3)

    assert reopen_changed(connection, snapshot(connection, limit_hours=9, now=datetime.now(UTC))) == []


def unclosed(connection: Connection, *, limit: int = 9) -> list[date]:
    return unclosed_days(connection, start=TODAY - timedelta(days=400), before=AFTER.date(), limit=limit)


def test_a_day_whose_spool_was_late_is_asked_for_until_it_is_closed(connection: Connection) -> None:
    seed(connection, 2)
    add_spool(connection, DAY_START, host="late")
    assert close_day(connection, TODAY, now=AFTER).state == "open"
    assert unclosed(connection) == [], "it could not be closed yet, and takes no place"

    with connection.transaction():
        connection.execute("update ingest.spools set low_watermark = %s", (AFTER,))

    assert unclosed(connection) == [TODAY]
    close_day(connection, TODAY, now=AFTER)
    assert unclosed(connection) == []


def test_imported_days_are_unclosed_newest_first_and_days_without_calls_are_not(
    connection: Connection,
) -> None:
    days = [TODAY - timedelta(days=n) for n in (0, 3, 40, 300)]
    with connection.transaction():
        for day in days:
            add_calls(connection, 2, start=DAY_START - (TODAY - day))

    assert unclosed(connection) == days
    assert unclosed(connection, limit=2) == days[:2]


def test_looking_for_unclosed_days_reads_one_row_a_day(connection: Connection) -> None:
    seed(connection, 2_000)
    with connection.transaction():
        connection.execute("analyze raw.llm_calls")

    nodes = plan_nodes(connection, UNCLOSED, {"start": TODAY, "before": AFTER.date(), "limit": 9})

    of_calls = [node for node in nodes if node.get("Relation Name", "").startswith("llm_calls")]
    assert of_calls
    assert all("Index" in node["Node Type"] for node in of_calls)
