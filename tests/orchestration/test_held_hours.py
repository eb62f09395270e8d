"""Hours that dbt fails on: they wait by themselves, everything else gets through, and no mark is lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.dbt import DbtError, run_dbt
from orchestration.held import held_hours, hold
from orchestration.modelling import MOST_FAILURES
from orchestration.refresh import RefreshResult, light_refresh
from orchestration.windows import Window, hour_window, hours_of, merge
from tests.orchestration.conftest import Stack
from tests.orchestration.seeding import DAY_START, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
HOUR = timedelta(hours=1)


def hour(number: int) -> datetime:
    return DAY_START + number * HOUR


@dataclass
class Models:
    """Stands for dbt: fails on windows that hold a bad hour, and on every window while it is broken."""

    bad: set[datetime] = field(default_factory=set)
    is_broken: bool = False
    n_commands: int = 0

    def __call__(self, windows: Sequence[Window]) -> None:
        self.n_commands += 1
        if self.is_broken or self.bad & set(hours_of(windows)):
            raise DbtError("dbt run failed: integer out of range")


def seed(connection: Connection, *hours: int) -> None:
    with connection.transaction():
        for number in hours:
            add_calls(connection, 1, start=hour(number))


def dirty(connection: Connection) -> set[datetime]:
    return {marked for (marked,) in rows(connection, "select distinct hour from raw.dirty_hours")}


def retry(connection: Connection, models: Models) -> RefreshResult:
    """A refresh once every held hour is due."""
    return light_refresh(connection, run_dbt=models, now=datetime.now(UTC) + 2 * HOUR)


@pytest.mark.parametrize("bad", [0, 5, 11])
def test_a_bad_hour_is_held_and_all_others_get_through(connection: Connection, bad: int) -> None:
    seed(connection, *range(12))
    models = Models(bad={hour(bad)})

    result = light_refresh(connection, run_dbt=models)

    assert result.held == (hour(bad),)
    assert result.windows == tuple(merge(hour_window(hour(n)) for n in range(12) if n != bad))
    assert dirty(connection) == {hour(bad)}
    assert models.n_commands <= 10
    assert rows(connection, "select hour, n_failures, error from evaluation.held_hours") == [
        (hour(bad), 1, "dbt run failed: integer out of range")
    ]


def test_a_held_hour_keeps_no_new_hour_waiting(connection: Connection) -> None:
    seed(connection, 3)
    models = Models(bad={hour(3)})
    alone = light_refresh(connection, run_dbt=models)
    seed(connection, 4)

    result = light_refresh(connection, run_dbt=models)

    assert (alone.held, alone.windows) == ((hour(3),), ())
    assert (result.held, result.windows) == ((), (hour_window(hour(4)),))
    assert dirty(connection) == {hour(3)}


def test_a_mended_hour_is_modelled_when_it_is_due_and_held_no_more(connection: Connection) -> None:
    seed(connection, 3, 4)
    models = Models(bad={hour(3)})
    light_refresh(connection, run_dbt=models)
    models.bad.clear()

    early = light_refresh(connection, run_dbt=models)
    due = retry(connection, models)

    assert (early.windows, due.windows) == ((), (hour_window(hour(3)),))
    assert dirty(connection) == set()
    assert count(connection, "evaluation.held_hours") == 0


def test_an_hour_that_succeeds_while_calls_land_in_it_is_dirty_but_held_no_more(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    seed(connection, 3)
    hold(connection, hour(3), error="no")

    def land_meanwhile(windows: Sequence[Window]) -> None:
        with connect(warehouse) as other:
            add_calls(other, 1, start=hour(3), seed="meanwhile")

    light_refresh(connection, run_dbt=land_meanwhile, now=datetime.now(UTC) + 2 * HOUR)

    assert held_hours(connection, now=datetime.now(UTC)) == {}
    assert dirty(connection) == {hour(3)}


def test_an_hour_tried_again_stands_alone_and_after_the_new_ones(connection: Connection) -> None:
    seed(connection, 3)
    models = Models(bad={hour(3)})
    light_refresh(connection, run_dbt=models)
    seed(connection, 4)
    models.n_commands = 0

    result = retry(connection, models)

    assert (result.windows, result.held) == ((hour_window(hour(4)),), (hour(3),))
    # The new hour; then the held one, the window without calls, and the held one again.
    assert models.n_commands == 4


def test_a_bad_hour_is_tried_ever_more_rarely_down_to_once_an_hour(connection: Connection) -> None:
    pauses: list[timedelta] = []
    for _ in range(9):
        hold(connection, hour(3), error="no")
        [(pause,)] = rows(connection, "select retry_at - failed_at from evaluation.held_hours")
        pauses.append(pause)

    assert [round(pause / timedelta(minutes=1)) for pause in pauses] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_where_dbt_fails_on_every_window_no_hour_is_blamed(connection: Connection) -> None:
    seed(connection, *range(12))
    models = Models(is_broken=True)

    with pytest.raises(DbtError, match="integer out of range"):
        light_refresh(connection, run_dbt=models)

    assert models.n_commands == 2
    assert count(connection, "evaluation.held_hours") == 0
    assert dirty(connection) == {hour(n) for n in range(12)}


def test_a_failure_that_passes_holds_nothing(connection: Connection) -> None:
    seed(connection, 3)
    models = Models(bad={hour(3)})

    def fail_once(windows: Sequence[Window]) -> None:
        try:
            models(windows)
        finally:
            models.bad.clear()

    result = light_refresh(connection, run_dbt=fail_once)

    assert (result.held, result.windows) == ((), (hour_window(hour(3)),))
    assert dirty(connection) == set()


def test_many_bad_hours_are_worked_off_refresh_by_refresh(connection: Connection) -> None:
    bad = {hour(n) for n in range(24)}
    seed(connection, *range(30))
    models = Models(bad=bad)
    held: list[datetime] = []

    for _ in range(4):
        result = light_refresh(connection, run_dbt=models)
        # The window without calls comes on top, and what succeeds in between.
        assert models.n_commands <= 2 * MOST_FAILURES
        models.n_commands = 0
        held += result.held

    assert sorted(held) == sorted(bad)
    assert dirty(connection) == bad


def test_an_hour_that_is_dirty_no_more_is_held_no_more(connection: Connection) -> None:
    hold(connection, hour(3), error="no")
    light_refresh(connection, run_dbt=Models())

    assert held_hours(connection, now=datetime.now(UTC)) == {}


@pytest.mark.slow
def test_with_the_real_dbt_the_hours_around_a_bad_one_reach_the_marts(stack: Stack) -> None:
    def dbt(windows: Sequence[Window]) -> None:
        run_dbt(stack.settings, stack.url, windows)

    with connect(stack.url) as connection:
        seed(connection, 1, 2, 3)
        with connection.transaction():
            # No landing lets it in; the histogram of latencies has no bucket for it.
            connection.execute(
                "update raw.llm_calls set latency_ms = 'NaN' where started_at = %s", (hour(1),)
            )
        result = light_refresh(connection, run_dbt=dbt)

        assert result.held == (hour(1),)
        assert rows(connection, "select hour from marts.latency_hourly_histogram order by 1") == [
            (hour(2),),
            (hour(3),),
        ]
        [(error,)] = rows(connection, "select error from evaluation.held_hours")
        assert "latency_hourly_histogram" in error
        assert "\n" not in error

        with connection.transaction():
            connection.execute("update raw.llm_calls set latency_ms = 1")
        mended = light_refresh(connection, run_dbt=dbt, now=datetime.now(UTC) + HOUR)

        assert mended.windows == (hour_window(hour(1)),)
        assert count(connection, "marts.latency_hourly_histogram") == 3
        assert dirty(connection) == set()
