"""A run replaces exactly its windows: rows vanish, change and appear there and nowhere else."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.dbt_project.marts import records, rows_of, snapshot
from tests.dbt_project.running_dbt import Dbt, days, hours
from tests.dbt_project.seed import FIRST_DAY, LAST_DAY, MIDDLE_DAY, seed_calls, seed_feedback


@pytest.fixture(scope="module")
def built(seeded: DatabaseUrl, dbt: Dbt) -> DatabaseUrl:
    """All days built once; tests leave source and marts equal to one another."""
    with connect(seeded) as connection:
        seed_feedback(connection)
    dbt.build(seeded, windows=days(FIRST_DAY, count=3))
    return seeded


@pytest.fixture
def reader(built: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    with connect(built) as connection:
        yield connection


def test_a_second_run_of_the_same_day_changes_nothing(
    built: DatabaseUrl, dbt: Dbt, reader: psycopg.Connection[TupleRow]
) -> None:
    before, written = snapshot(reader), written_by(reader)
    dbt.build(built, windows=days(MIDDLE_DAY))
    assert snapshot(reader) == before
    # The marts of judges have rows where there is a judge: see `test_judges`.
    assert all(rows for table, rows in before.items() if not table.startswith("judge"))
    assert written_by(reader) == written


def test_a_day_replaces_its_rows_and_no_others(
    built: DatabaseUrl, dbt: Dbt, reader: psycopg.Connection[TupleRow]
) -> None:
    """A deleted call vanishes, a changed one changes, a new one appears; another day is left alone."""
    before = records(reader, "select * from marts.calls order by started_at, call_id")
    on_day = [row for row in before if row["started_at"].date() == MIDDLE_DAY]
    other = next(row for row in before if row["started_at"].date() == LAST_DAY)
    gone, changed = on_day[10], on_day[20]
    reader.execute("delete from raw.llm_calls where call_id = %s", [gone["call_id"]])
    reader.execute(
        "update raw.llm_calls set finish_reason = 'changed' where call_id = any(%s)",
        [[changed["call_id"], other["call_id"]]],
    )
    seed_calls(reader, day=MIDDLE_DAY, calls=50, salt="late")
    reader.commit()

    dbt.build(built, windows=days(MIDDLE_DAY))

    after = {row["call_id"]: row for row in records(reader, "select * from marts.calls")}
    assert gone["call_id"] not in after
    assert after[changed["call_id"]]["finish_reason"] == "changed"
    assert after[other["call_id"]]["finish_reason"] == other["finish_reason"]
    untouched = [row for row in before if row["started_at"].date() != MIDDLE_DAY]
    assert all(after[row["call_id"]] == row for row in untouched)
    late = len(after) - len(before) + 1
    assert 40 <= late <= 50
    assert days_of(reader, "cost_daily") == days_of(reader, "calls")
    dbt.build(built, windows=days(LAST_DAY))


def test_one_new_call_writes_one_row(
    built: DatabaseUrl, dbt: Dbt, reader: psycopg.Connection[TupleRow]
) -> None:
    before = written_by(reader)
    reader.execute(
        """
        update raw.llm_calls set finish_reason = 'length'
        where call_id = (select min(call_id::text)::uuid from marts.calls)
        """
    )
    reader.commit()
    dbt.build(built, windows=days(FIRST_DAY))
    new = [row for row in written_by(reader) if row["xmin"] not in {row["xmin"] for row in before}]
    assert [row["count"] for row in new] == [1]


def test_hours_replace_their_rows_and_the_day_follows(
    built: DatabaseUrl, dbt: Dbt, reader: psycopg.Connection[TupleRow]
) -> None:
    """Two hours are refreshed; the hour between is not, and the day's marts hold all that the hours hold."""
    reader.execute(
        "delete from raw.llm_calls where started_at >= %s and started_at < %s",
        [f"{LAST_DAY}T05:10Z", f"{LAST_DAY}T08:10Z"],
    )
    reader.commit()
    stale = hourly_counts(reader)

    dbt.build(built, windows=[*hours(LAST_DAY, 5, 6), *hours(LAST_DAY, 7, 9)])

    fresh = hourly_counts(reader)
    assert fresh[5] < stale[5]
    assert fresh[6] == stale[6]
    assert 7 not in fresh
    assert fresh[8] < stale[8]
    assert days_of(reader, "cost_daily") == days_of(reader, "calls")
    dbt.build(built, windows=hours(LAST_DAY, 6, 7))
    assert 6 not in hourly_counts(reader)


def test_hours_one_by_one_equal_the_day_at_once(
    built: DatabaseUrl, dbt: Dbt, reader: psycopg.Connection[TupleRow]
) -> None:
    dbt.build(built, windows=days(FIRST_DAY, count=3))
    at_once = snapshot(reader)
    for first in range(0, 24, 8):
        dbt.build(built, windows=hours(MIDDLE_DAY, first, first + 8))
    assert snapshot(reader) == at_once


def test_no_windows_is_an_error_and_writes_nothing(
    built: DatabaseUrl, dbt: Dbt, reader: psycopg.Connection[TupleRow]
) -> None:
    before = rows_of(reader, "calls_hourly")
    outcome = dbt("run", "--select", "calls_hourly", url=built)
    assert not outcome.success
    assert "no windows" in outcome.text
    assert rows_of(reader, "calls_hourly") == before


@pytest.mark.parametrize(
    ("windows", "complaint"),
    [
        ("all", "must be a list"),
        ([["2026-11-01T00:00:00Z"]], "a window is [from, to]"),
        ([["2026-11-01T00:00:00", "2026-11-02T00:00:00"]], "needs a time zone"),
        ([["2026-11-01T00:30:00Z", "2026-11-02T00:00:00Z"]], "aligned to hours"),
        ([["2026-11-02T00:00:00Z", "2026-11-02T00:00:00Z"]], "must end after it starts"),
    ],
)
def test_a_window_that_is_none_is_refused(
    built: DatabaseUrl, dbt: Dbt, windows: list[list[str]] | str, complaint: str
) -> None:
    outcome = dbt("run", "--select", "calls_hourly", url=built, windows=windows)
    assert not outcome.success
    assert complaint in outcome.text


def test_full_refresh_does_not_drop_history(
    built: DatabaseUrl, dbt: Dbt, reader: psycopg.Connection[TupleRow]
) -> None:
    before = rows_of(reader, "calls_hourly")
    outcome = dbt("run", "--full-refresh", "--select", "calls_hourly", url=built, windows=[])
    assert outcome.success
    assert rows_of(reader, "calls_hourly") == before


def written_by(connection: psycopg.Connection[TupleRow]) -> list[dict[str, object]]:
    """The transactions that wrote the rows of `calls`: a row that is written again changes its own."""
    return records(connection, "select xmin::text, count(*) from marts.calls group by 1 order by 1")


def hourly_counts(connection: psycopg.Connection[TupleRow]) -> dict[int, int]:
    query = """
        select extract(hour from hour at time zone 'UTC')::integer as hour, sum(n_calls)::integer as n
        from marts.calls_hourly
        where (hour at time zone 'UTC')::date = date '2026-11-02'
        group by 1
    """
    return {row["hour"]: row["n"] for row in records(connection, query)}


def days_of(connection: psycopg.Connection[TupleRow], mart: str) -> list[dict[str, object]]:
    query = {
        "calls": """
            select (started_at at time zone 'UTC')::date as day, count(*)::integer as n
            from marts.calls
            group by 1
            order by 1
        """,
        "cost_daily": "select day, sum(n_calls)::integer as n from marts.cost_daily group by 1 order by 1",
    }[mart]
    return records(connection, query)
