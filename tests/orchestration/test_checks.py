"""Checks of a landed day: what is broken leaves, what is odd is said, and only a broken day stops."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.checks.landed import check_days, check_result
from orchestration.checks.ledger import check_ledger
from orchestration.checks.open_days import DayCheck, open_windows, record
from orchestration.partitions import range_window
from tests.orchestration.seeding import add_calls, rows

Connection = psycopg.Connection[TupleRow]

DAY = date(2026, 10, 14)
NEXT = DAY + timedelta(days=1)
START = datetime(2026, 10, 14, 3, tzinfo=UTC)
LONG = "The answer to question # is a sentence that is long enough to be counted. " * 4
LONG_USAGE: dict[str, object] = {"prompt_tokens": 100, "completion_tokens": 70, "total_tokens": 170}


@pytest.fixture
def landed(warehouse: DatabaseUrl) -> Iterator[Connection]:
    with connect(warehouse, autocommit=True) as connection:
        with connection.transaction():
            add_calls(connection, 100, start=START, output=LONG, usage=LONG_USAGE)
        yield connection


def by_name(checks: list[DayCheck], day: date = DAY) -> dict[str, DayCheck]:
    return {check.name: check for check in checks if check.day == day}


def broken(connection: Connection, statement: str, n: int) -> list[str]:
    """Break n calls of the day; returns their ids in order."""
    found = connection.execute(
        f"update raw.llm_calls set {statement} where call_id in "  # type: ignore[arg-type]
        f"(select call_id from raw.llm_calls order by started_at limit {n}) returning call_id::text"
    ).fetchall()
    return sorted(row[0] for row in found)


def quarantined(connection: Connection) -> list[str]:
    return [
        row[0]
        for row in rows(connection, "select distinct call_id::text from evaluation.quarantine order by 1")
    ]


def test_a_sound_day_passes_every_check_and_a_second_run_changes_nothing(
    landed: Connection, warehouse: DatabaseUrl
) -> None:
    query = "select day, check_name, passed, n, severity, details from evaluation.day_checks order by 1, 2"
    checks = check_days(landed, warehouse, [DAY])
    assert {check.name for check in checks if not check.passed} == set()
    first = rows(landed, query)
    check_days(landed, warehouse, [DAY])
    assert rows(landed, query) == first
    assert quarantined(landed) == []


def test_quarantine_takes_the_broken_rows_and_no_other_and_lets_them_out_again(
    landed: Connection, warehouse: DatabaseUrl
) -> None:
    slow = broken(landed, "latency_ms = -5", 3)
    check = by_name(check_days(landed, warehouse, [DAY]))["structure"]
    assert (check.passed, check.n, check.severity) == (False, 3, "warn")
    assert sorted(check.call_ids) == slow == quarantined(landed)

    landed.execute("update raw.llm_calls set latency_ms = 5")
    assert by_name(check_days(landed, warehouse, [DAY]))["structure"].passed
    assert quarantined(landed) == []


def test_the_marts_are_told_of_every_row_that_goes_into_quarantine_or_leaves_it(
    landed: Connection, warehouse: DatabaseUrl
) -> None:
    marks = "delete from raw.dirty_hours returning hour, stage"
    landed.execute(marks)  # type: ignore[arg-type]
    hour = START.replace(minute=0)

    broken(landed, "latency_ms = -5", 3)
    told = []
    for statement in ("select", "select", "update raw.llm_calls set latency_ms = 5", "select"):
        landed.execute(statement)  # type: ignore[arg-type]
        check_days(landed, warehouse, [DAY])
        told.append(rows(landed, marks))  # type: ignore[arg-type]

    assert told == [[(hour, "scores")], [], [(hour, "scores")], []]


@pytest.mark.parametrize(
    "statement",
    [
        "ended_at = started_at - interval '1 second'",
        "latency_ms = 'NaN'",
        "attempts = '{}'",
        "tags = '[]'",
        "provider = ''",
        "http_status = 7",
    ],
)
def test_each_structural_fault_is_found(statement: str, landed: Connection, warehouse: DatabaseUrl) -> None:
    ids = broken(landed, statement, 1)
    check_days(landed, warehouse, [DAY])
    assert quarantined(landed) == ids


def test_an_outage_a_new_model_and_wrong_tokens_only_warn(landed: Connection, warehouse: DatabaseUrl) -> None:
    landed.execute("update raw.llm_calls set usage = jsonb_set(usage, '{completion_tokens}', '7000')")
    with landed.transaction():
        later = START + timedelta(hours=2)
        add_calls(landed, 50, start=later, status="error", seed="outage", usage=None)
        add_calls(
            landed, 50, start=later + timedelta(hours=1), model="brand-new-model", seed="new", output="Yes."
        )
    checks = by_name(check_days(landed, warehouse, [DAY]))
    assert {name for name, check in checks.items() if not check.passed} == {
        "error_rate",
        "known_models",
        "tokens_match_text",
    }
    assert {check.severity for check in checks.values()} == {"warn"}
    assert checks["known_models"].n == 50
    assert len(checks["known_models"].call_ids) == 20
    assert quarantined(landed) == []


def test_a_model_of_the_price_book_is_known(landed: Connection, warehouse: DatabaseUrl) -> None:
    landed.execute("update raw.llm_calls set requested_model = 'our-own-7b'")
    assert not by_name(check_days(landed, warehouse, [DAY]))["known_models"].passed
    landed.execute(
        "insert into cost.prices (model, match, bucket, usd_per_million, valid_from, source, price_version)"
        " values ('our-own', 'prefix', 'output_text', 1, '2023-01-01', 'test', 1)"
    )
    assert by_name(check_days(landed, warehouse, [DAY]))["known_models"].passed


def test_a_broken_day_stops_itself_and_no_other(landed: Connection, warehouse: DatabaseUrl) -> None:
    with landed.transaction():
        add_calls(landed, 10, start=START + timedelta(days=1), seed="b", output=LONG, usage=LONG_USAGE)
    broken(landed, "latency_ms = -5", 60)
    checks = check_days(landed, warehouse, [DAY, NEXT])
    assert by_name(checks)["structure"].severity == "error"
    assert open_windows(landed, range_window(DAY, NEXT)) == [range_window(NEXT, NEXT)]

    both = check_result("structure", [c for c in checks if c.name == "structure"])
    alone = check_result("structure", [c for c in checks if c.name == "structure" and c.day == DAY])
    assert (both.passed, both.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (alone.passed, alone.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_an_empty_day_passes(warehouse: DatabaseUrl) -> None:
    with connect(warehouse, autocommit=True) as connection:
        assert all(check.passed for check in check_days(connection, warehouse, [DAY]))


def test_a_ledger_that_does_not_balance_fails(connection: Connection) -> None:
    connection.execute(
        "create table marts.evaluation_coverage (day date, n_eligible bigint, n_scored bigint,"
        " n_unscored bigint, n_sampled_out bigint, n_pending bigint)"
    )
    connection.execute(
        "insert into marts.evaluation_coverage values (%s, 10, 7, 2, 0, 1), (%s, 10, 7, 2, 0, 0)", (DAY, NEXT)
    )
    balanced, off = check_ledger(connection, [DAY, NEXT])
    assert (balanced.passed, balanced.details) == (True, {"pending": 1})
    assert (off.passed, off.n) == (False, 1)


def test_a_blocked_day_opens_once_its_check_passes(connection: Connection) -> None:
    window = range_window(DAY, DAY)
    record(connection, [DayCheck(DAY, "structure", False, 9, "error")])
    assert open_windows(connection, window) == []
    record(connection, [DayCheck(DAY, "structure", True, 0, "warn")])
    assert open_windows(connection, window) == [window]
