"""Landing, refreshing and dbt together on a real server: after any trouble the marts end up right."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, LiteralString

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.importers.files import import_files
from orchestration.closing import close_day
from orchestration.dbt import DbtError, run_dbt
from orchestration.refresh import RefreshResult, light_refresh
from orchestration.rules.scoring import score_window
from orchestration.windows import Window, day_window
from tests.ingest.import_lines import line
from tests.ingest.landing_calls import NOON, land, make_call
from tests.orchestration.conftest import Stack
from tests.orchestration.rules.fake_rules import Steered, rule
from tests.orchestration.seeding import add_calls, count, rows

Connection = psycopg.Connection[TupleRow]

REPOSITORY = Path(__file__).resolve().parents[2]
AT = datetime(2026, 10, 14, 3, tzinfo=UTC)
DAY = day_window(AT.date())
# Every mart that counts calls, against the landed rows themselves.
DAYS: LiteralString = """
with landed as (
    select date_trunc('day', started_at, 'UTC')::date as day, count(*)::int as n
    from raw.llm_calls group by 1
),
calls as (
    select date_trunc('day', started_at, 'UTC')::date as day,
        count(*)::int as n, count(amount_usd)::int as priced
    from marts.calls group by 1
),
costs as (
    select day, sum(n_calls)::int as n, sum(n_priced)::int as priced from marts.cost_daily group by 1
),
hours as (
    select date_trunc('day', hour, 'UTC')::date as day, sum(n_calls)::int as n
    from marts.latency_hourly group by 1
),
ledger as (
    select day, max(n_eligible)::int as n, sum(n_pending)::int as pending
    from marts.evaluation_coverage group by 1
)
select
    day,
    landed.n,
    array[calls.n, calls.priced, costs.n, costs.priced, hours.n, ledger.n] = array_fill(landed.n, array[6])
        and ledger.pending = 0
from landed
left join calls using (day)
left join costs using (day)
left join hours using (day)
left join ledger using (day)
order by day
"""
COVERAGE: LiteralString = """
select n_eligible, n_scored, n_failed, n_unscored, n_pending from marts.evaluation_coverage
where evaluator = 'flaky'
"""


def refresh(stack: Stack, connection: Connection, **options: Any) -> RefreshResult:
    def dbt(windows: Sequence[Window]) -> None:
        run_dbt(stack.settings, stack.url, windows)

    return light_refresh(connection, run_dbt=dbt, **options)


def days(connection: Connection) -> list[tuple[date, int, bool]]:
    """Each day with landed calls, how many, and whether every mart has exactly these."""
    return [(day, n, is_right) for day, n, is_right in rows(connection, DAYS)]


@pytest.mark.slow
def test_late_rows_of_last_month_reach_the_marts_of_their_days(stack: Stack, tmp_path: Path) -> None:
    late = tmp_path / "late.jsonl"
    times = ["2026-09-30T23:59:59.999Z", "2026-09-02T08:00:00+09:00", "2026-10-14T05:00:00Z"]
    late.write_bytes(
        b"".join(line(n, started_at=at, usage=USAGE) for n, at in enumerate(times)) + b"broken\n"
    )
    with connect(stack.url) as connection:
        with connection.transaction():
            add_calls(connection, 5, start=AT)
        refresh(stack, connection)
        close_day(connection, AT.date())

        summary = import_files([late], settings=stack.settings, url=stack.url)
        result = refresh(stack, connection)

        assert (summary.landed, summary.rejected) == (3, 1)
        assert AT.date() in result.reopened
        assert days(connection) == [
            (date(2026, 9, 1), 1, True),
            (date(2026, 9, 30), 1, True),
            (date(2026, 10, 14), 6, True),
        ]
        again = import_files([late], settings=stack.settings, url=stack.url)
        assert (again.landed, again.already_there) == (0, 3)
        assert refresh(stack, connection).windows == ()


@pytest.mark.slow
def test_an_import_that_stays_open_while_refreshes_run_reaches_the_marts(stack: Stack) -> None:
    with connect(stack.url) as connection, connect(stack.url) as slow:
        land(connection, make_call(0))
        connection.commit()
        with slow.transaction():
            land(slow, *(make_call(number, key="slow") for number in range(1, 41)))
            refresh(stack, connection)
            assert count(connection, "marts.calls") == 1
            assert count(connection, "raw.dirty_hours") == 0

        refresh(stack, connection)

        assert days(connection) == [(NOON.date(), 41, True)]
        assert refresh(stack, connection).windows == ()


@pytest.mark.slow
def test_a_rule_that_fails_half_the_time_and_is_retried_ends_right_in_the_marts(stack: Stack) -> None:
    number = pl.col("output_text").str.extract(r"question (\d+) ").cast(pl.Int64)
    is_bad = number % 2 == 1
    check = Steered(fails=number % 5 == 0, raises=lambda frame: not frame.filter(is_bad).is_empty())
    flaky = [rule("flaky", check)]
    with connect(stack.url) as connection:
        with connection.transaction():
            add_calls(connection, 40, start=AT)

        refresh(stack, connection, rules=flaky)
        assert rows(connection, COVERAGE) == [(40, 20, 4, 20, 0)]
        is_bad = number % 4 == 1
        score_window(connection, [DAY], rules=flaky)
        check.raises = lambda frame: False
        score_window(connection, [DAY], rules=flaky)
        refresh(stack, connection, rules=flaky)

        assert rows(connection, COVERAGE) == [(40, 40, 8, 0, 0)]
        assert count(connection, "marts.calls", where="is_failed and failed_rules = array['flaky']") == 8
        assert days(connection) == [(AT.date(), 40, True)]
        assert refresh(stack, connection, rules=flaky).windows == ()


CHILD = """
import sys
from ingest.database.connect import connect
from ingest.settings import load_settings
from ingest.database.url import parse_url
from orchestration.dbt import run_dbt
from orchestration.refresh import light_refresh

settings = load_settings()
url = parse_url(settings.database_url)
with connect(url) as connection:
    light_refresh(connection, run_dbt=lambda windows: run_dbt(settings, url, windows))
"""


@pytest.mark.slow
def test_a_refresh_killed_while_dbt_writes_is_finished_by_the_next(stack: Stack) -> None:
    with connect(stack.url) as connection:
        with connection.transaction():
            add_calls(connection, 30, start=AT)
        with connect(stack.url) as holding:
            holding.execute(HOLD)
            with subprocess.Popen([sys.executable, "-W", "ignore", "-c", CHILD], cwd=REPOSITORY) as child:
                wait_for_dbt(connection)
                child.send_signal(signal.SIGKILL)

        # The killed one's dbt may still be at work: the two take their turns.
        refresh(stack, connection)

        assert days(connection) == [(AT.date(), 30, True)]


@pytest.mark.slow
def test_a_connection_lost_under_dbt_is_one_line_and_the_same_refresh_tries_again(stack: Stack) -> None:
    said: list[str] = []

    def dbt(windows: Sequence[Window]) -> None:
        try:
            run_dbt(stack.settings, stack.url, windows)
        except DbtError as error:
            said.append(str(error))
            raise

    with (
        connect(stack.url) as connection,
        connect(stack.url) as holding,
        connect(stack.url, autocommit=True) as other,
    ):
        with connection.transaction():
            add_calls(connection, 30, start=AT)
        holding.execute(HOLD)

        def strike() -> None:
            wait_for_dbt(other, strike=True)
            holding.rollback()

        striker = threading.Thread(target=strike)
        striker.start()
        result = light_refresh(connection, run_dbt=dbt)
        striker.join(60)

        [error] = said
        assert error.startswith("dbt run failed: ")
        assert "\n" not in error
        assert result.held == ()
        assert days(connection) == [(AT.date(), 30, True)]
        assert count(connection, "raw.dirty_hours") == 0


USAGE = {"prompt_tokens": 100, "completion_tokens": 50}
HOLD = "lock table marts.calls in share mode"
"""Who writes the mart waits, in the middle of its transaction."""


def wait_for_dbt(connection: Connection, *, strike: bool = False) -> None:
    """Until a session of dbt would write the mart that is held; `strike` ends it."""
    query = (
        "select pid, pg_terminate_backend(pid) from pg_stat_activity"
        if strike
        else "select pid from pg_stat_activity"
    )
    condition = "datname = current_database() and application_name = 'lqo-dbt' and wait_event_type = 'Lock'"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = connection.execute(f"{query} where {condition}").fetchall()  # pyright: ignore[reportArgumentType]
        if not connection.autocommit:
            connection.rollback()
        if found:
            return
        time.sleep(0.01)
    raise AssertionError("dbt did not come")
