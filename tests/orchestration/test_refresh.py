"""The light refresh: what is dirty, nothing else, and never a mark that nobody has worked on."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.pricing.rows import PriceRow
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.closing import close_day
from orchestration.cost.price_book import import_prices
from orchestration.dirty import mark_hours
from orchestration.refresh import light_refresh
from orchestration.windows import Window, hour_window
from tests.orchestration.seeding import DAY_START, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
REPOSITORY = Path(__file__).resolve().parents[2]
HOUR = timedelta(hours=1)
FACTS: LiteralString = """
select call_id, started_at, failed, unscored, attempt, amount_usd, unpriced_reason
from raw.llm_calls
left join evaluation.rule_results using (started_at, call_id)
left join cost.charges using (started_at, call_id)
order by started_at, call_id
"""


@dataclass
class Models:
    """Stands for dbt: remembers the windows it was given, and what it could read of them."""

    runs: list[list[Window]] = field(default_factory=list)

    def __call__(self, windows: Sequence[Window]) -> None:
        self.runs.append(list(windows))


def seed(connection: Connection, n: int, *, at: datetime = DAY_START, seed: str = "a") -> None:
    with connection.transaction():
        add_calls(connection, n, start=at, seed=seed)


def test_new_calls_are_scored_charged_modelled_and_their_marks_cleared(connection: Connection) -> None:
    seed(connection, 5)
    seed(connection, 3, at=DAY_START + 5 * HOUR)
    models = Models()

    result = light_refresh(connection, run_dbt=models)

    assert models.runs == [[hour_window(DAY_START), hour_window(DAY_START + 5 * HOUR)]]
    assert result.scores
    assert result.charges
    assert (result.scores.n_rows, result.charges.n_priced) == (8, 8)
    # One mark of calls, scores and charges for each of two hours.
    assert result.n_cleared == 6
    assert count(connection, "raw.dirty_hours") == 0


def test_a_second_refresh_runs_nothing(connection: Connection) -> None:
    seed(connection, 5)
    models = Models()
    light_refresh(connection, run_dbt=models)
    before = rows(connection, FACTS)

    again = light_refresh(connection, run_dbt=models)

    assert again.windows == ()
    assert len(models.runs) == 1
    assert rows(connection, FACTS) == before


def test_the_newest_hours_come_first_and_the_rest_follows(connection: Connection) -> None:
    for hour in range(5):
        seed(connection, 2, at=DAY_START + hour * HOUR)
    models = Models()

    while light_refresh(connection, run_dbt=models, limit_hours=2).windows:
        pass

    assert [[w.start.hour for w in windows] for windows in models.runs] == [[3], [1], [0]]
    assert count(connection, "evaluation.rule_results") == 10


def test_calls_that_land_while_a_refresh_runs_are_the_next_ones_work(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    seed(connection, 5)
    models = Models()

    def land_meanwhile(windows: Sequence[Window]) -> None:
        models(windows)
        if len(models.runs) == 1:
            with connect(warehouse) as other:
                add_calls(other, 2, seed="meanwhile")
                other.commit()

    light_refresh(connection, run_dbt=land_meanwhile)
    light_refresh(connection, run_dbt=land_meanwhile)

    assert count(connection, "evaluation.rule_results") == 7
    assert len(models.runs) == 2
    assert count(connection, "raw.dirty_hours") == 0


def test_marks_of_calls_that_came_after_scoring_are_kept(
    connection: Connection, warehouse: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration import refresh

    charge = refresh.charge_window

    def land_before_charging(*given: object, **named: object) -> object:
        if not named:
            with connect(warehouse) as other:
                add_calls(other, 2, seed="between")
                other.commit()
        return charge(*given, **named)  # type: ignore[arg-type]

    seed(connection, 5)
    with monkeypatch.context() as patched:
        patched.setattr(refresh, "charge_window", land_before_charging)
        light_refresh(connection, run_dbt=Models())
    assert count(connection, "evaluation.rule_results") == 5

    light_refresh(connection, run_dbt=Models())

    assert count(connection, "evaluation.rule_results") == 7


def test_an_import_open_for_minutes_while_refreshes_run_is_not_lost(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    models = Models()
    with connection.transaction():
        # Landing makes a month before, in a transaction of its own.
        connection.execute("select ingest.ensure_month(%s::date)", (DAY_START,))
    with connect(warehouse) as slow_import:
        add_calls(slow_import, 4, seed="slow")
        for number in range(3):
            seed(connection, 2, seed=f"quick {number}")
            light_refresh(connection, run_dbt=models)
        assert count(connection, "evaluation.rule_results") == 6
        slow_import.commit()

    light_refresh(connection, run_dbt=models)

    assert count(connection, "evaluation.rule_results") == count(connection, "cost.charges") == 10
    assert len(models.runs) == 4


def test_a_failing_dbt_leaves_the_marks_for_the_next_run(connection: Connection) -> None:
    seed(connection, 5)

    def fail(windows: Sequence[Window]) -> None:
        raise OSError("dbt is not here")

    with pytest.raises(OSError, match="dbt is not here"):
        light_refresh(connection, run_dbt=fail)
    models = Models()
    result = light_refresh(connection, run_dbt=models)

    assert models.runs == [[hour_window(DAY_START)]]
    assert result.scores
    assert result.scores.n_rows == 0
    assert count(connection, "raw.dirty_hours") == 0


CHILD = """
import signal, sys
from ingest.database.connect import connect
from ingest.database.url import parse_url
from orchestration.refresh import light_refresh

def stop(windows):
    print("reached", flush=True)
    signal.pause()

with connect(parse_url(sys.argv[1])) as connection:
    light_refresh(connection, run_dbt=stop)
"""


def test_a_refresh_killed_in_dbt_is_finished_by_the_next(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    seed(connection, 5)
    command = [sys.executable, "-c", CHILD, warehouse.libpq()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as child:
        assert child.stdout
        assert child.stdout.readline() == "reached\n"
        child.send_signal(signal.SIGKILL)
    models = Models()

    light_refresh(connection, run_dbt=models)

    assert models.runs == [[hour_window(DAY_START)]]
    assert count(connection, "raw.dirty_hours") == 0


def test_corrected_prices_are_repriced_by_the_next_refresh(connection: Connection) -> None:
    seed(connection, 5)
    light_refresh(connection, run_dbt=Models())
    at = DAY_START - timedelta(days=30)
    buckets = ("input_uncached", "output_text")
    correction = [
        PriceRow(
            provider="openai",
            model="gpt-4o-mini",
            bucket=name,
            usd_per_million=Decimal(1),
            valid_from=at,
            recorded_at=at,
            source="invoice",
        )
        for name in buckets
    ]
    import_prices(connection, correction, source="invoice")
    models = Models()

    result = light_refresh(connection, run_dbt=models)

    assert result.repriced
    assert result.repriced.n_restated == 5
    assert rows(connection, "select distinct amount_usd from cost.charges") == [(Decimal("0.00015"),)]
    assert models.runs == [[hour_window(DAY_START)]]


def test_late_calls_reopen_their_closed_day(connection: Connection) -> None:
    seed(connection, 5)
    light_refresh(connection, run_dbt=Models())
    close_day(connection, DAY_START.date())
    quiet = light_refresh(connection, run_dbt=Models())
    seed(connection, 1, seed="late")

    late = light_refresh(connection, run_dbt=Models())

    assert (quiet.reopened, late.reopened) == ((), (DAY_START.date(),))


def test_marks_before_the_first_day_are_dropped_and_far_ones_wait(connection: Connection) -> None:
    with connection.transaction():
        mark_hours(connection, [DAY_START - HOUR], stage="calls")
        mark_hours(connection, [datetime.now(UTC) + timedelta(days=9)], stage="calls")
    models = Models()

    result = light_refresh(connection, run_dbt=models, start=DAY_START.date())

    assert (result.n_ignored, models.runs) == (1, [])
    assert count(connection, "raw.dirty_hours") == 1
