"""A day of the warehouse run by Dagster: everything is made, once, and nothing leaves the machine."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import dagster as dg
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.backfill import BackfillError, run_days
from orchestration.partitions import range_tags
from tests.orchestration.conftest import Stack
from tests.orchestration.seeding import add_calls, rows

Connection = psycopg.Connection[TupleRow]

FIRST = date(2026, 10, 14)
SECOND = date(2026, 10, 15)
START = datetime(2026, 10, 14, 3, tzinfo=UTC)
FACTS: LiteralString = """
select
    (select jsonb_agg(to_jsonb(r) order by call_id) from evaluation.rule_results as r),
    (select jsonb_agg(to_jsonb(c) order by call_id, attempt) from cost.charges as c),
    (select jsonb_agg(to_jsonb(m) order by call_id) from marts.calls as m),
    (select jsonb_agg(to_jsonb(m) order by to_jsonb(m)::text) from marts.quality_hourly as m),
    (select jsonb_agg(to_jsonb(m) order by to_jsonb(m)::text) from marts.cost_daily as m),
    (select jsonb_agg(to_jsonb(m) order by to_jsonb(m)::text) from marts.evaluation_coverage as m)
"""


@pytest.fixture
def calls(stack: Stack) -> None:
    """A day of ordinary calls, and one of nothing but errors with one broken row."""
    with connect(stack.url) as connection:
        add_calls(connection, 120, start=START, spacing=timedelta(minutes=5))
        add_calls(connection, 60, start=START + timedelta(days=1), status="error", usage=None, seed="b")
        connection.execute(
            "update raw.llm_calls set latency_ms = -1 where call_id ="
            " (select call_id from raw.llm_calls where status = 'error' order by started_at limit 1)"
        )


def run(
    instance: dg.DagsterInstance, first: date, last: date, *, job: str = "day"
) -> dg.ExecuteInProcessResult:
    from orchestration.definitions import defs

    return (
        defs()
        .resolve_job_def(job)
        .execute_in_process(instance=instance, tags=range_tags(first, last), raise_on_error=False)
    )


def facts(url: DatabaseUrl) -> Any:
    with connect(url) as connection:
        [row] = rows(connection, FACTS)
    return row


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """The metadata of each asset's newest materialisation in a run."""
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in found.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key and (found := event.step_materialization_data.materialization)
    }


@pytest.mark.slow
@pytest.mark.usefixtures("calls")
def test_a_range_of_days_is_made_whole_and_a_second_run_changes_nothing(
    stack: Stack, instance: dg.DagsterInstance
) -> None:
    result = run(instance, FIRST, SECOND)
    assert result.success

    made = metadata(result)
    assert made["raw/llm_calls"]["dagster/row_count"] == 180
    assert made["evaluation/rule_scores"]["dagster/row_count"] == 180
    assert made["cost/charges"]["dagster/row_count"] == 180
    assert made["marts/calls"]["dagster/row_count"] == 179, "the broken call is in quarantine"
    assert "| call_id |" in made["marts/calls"]["preview"]
    assert "staging/stg_raw__llm_calls" in made

    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["error_rate"].passed, "an outage must be said"
    assert checks["error_rate"].severity is dg.AssetCheckSeverity.WARN
    assert not checks["structure"].passed
    assert checks["ledger"].passed

    before = facts(stack.url)
    assert len(before[2]) == 179
    assert run(instance, FIRST, SECOND).success
    assert facts(stack.url) == before


@pytest.mark.slow
@pytest.mark.usefixtures("calls")
def test_a_day_that_is_broken_stops_before_its_scores(stack: Stack, instance: dg.DagsterInstance) -> None:
    with connect(stack.url) as connection:
        connection.execute(
            "update raw.llm_calls set latency_ms = -1 where started_at < %s", (START + timedelta(days=1),)
        )
    result = run(instance, FIRST, FIRST)
    assert not result.success
    assert set(metadata(result)) == {"raw/llm_calls"}

    with pytest.raises(BackfillError):
        run_days(stack.settings, from_day=FIRST, to_day=FIRST)


AUDIT = """
import ipaddress, os, sys

def hook(event, arguments):
    if event != "socket.connect":
        return
    address = arguments[1]
    host = address[0] if isinstance(address, tuple) else "unix"
    try:
        is_near = host in ("unix", "localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_near = False
    with open(os.environ["LQO_TEST_CONNECTS"], "a") as log:
        log.write(f"{'near' if is_near else 'FAR'} {host} {sys.argv[:1]}\\n")

sys.addaudithook(hook)
"""
CLOSE_DAYS = """
import sys
from datetime import date
from ingest.settings import load_settings
from orchestration.definitions import defs
from orchestration.instance import open_instance
from orchestration.partitions import range_tags

first, last = (date.fromisoformat(text) for text in sys.argv[1:])
with open_instance(load_settings()) as instance:
    job = defs().resolve_job_def("close_day")
    sys.exit(not job.execute_in_process(instance=instance, tags=range_tags(first, last)).success)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("calls")
def test_nothing_leaves_the_machine(stack: Stack, tmp_path: Path) -> None:
    """Every Python process of a day's close (Dagster, dbt, Great Expectations, Evidently) is listened to."""
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    log = tmp_path / "connects"
    repository = Path(__file__).resolve().parents[2]
    listened = {"PYTHONPATH": f"{tmp_path}:{repository}", "LQO_TEST_CONNECTS": str(log)}
    # An environment that asks for nothing: what is off must be off by itself.
    kept = {name: value for name, value in os.environ.items() if name not in ("DO_NOT_TRACK", "CI")}
    environment = {**kept, **stack.environment, "DATABASE_URL": stack.url.libpq(), **listened}

    command = [sys.executable, "-c", CLOSE_DAYS, FIRST.isoformat(), SECOND.isoformat()]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "FAR" not in (log.read_text() if log.exists() else "")
    assert list(stack.settings.reports.glob("drift-*.html")), "Evidently took part"

    probe = "import socket; s = socket.socket(); s.settimeout(0.01); s.connect_ex(('192.0.2.1', 9))"
    subprocess.run([sys.executable, "-c", probe], env=environment, check=True)
    assert "FAR 192.0.2.1" in log.read_text(), "the listener does hear"


@pytest.mark.slow
def test_the_light_refresh_models_what_is_dirty_and_clears_it(
    stack: Stack, instance: dg.DagsterInstance
) -> None:
    from orchestration.definitions import defs

    with connect(stack.url) as connection:
        add_calls(connection, 30, start=START)
    result = defs().resolve_job_def("light_refresh").execute_in_process(instance=instance)
    assert result.success
    with connect(stack.url) as connection:
        assert rows(connection, "select count(*), count(amount_usd) from marts.calls") == [(30, 30)]
        assert rows(connection, "select count(*) from raw.dirty_hours") == [(0,)]
    assert not list(stack.settings.dbt_target.glob("refresh-*")), "a target that is done with goes"


def test_a_changed_project_rebuilds_the_views_once(stack: Stack) -> None:
    from orchestration.dbt import ensure_views

    assert not ensure_views(stack.settings, stack.url)
    with connect(stack.url) as connection:
        connection.execute("comment on schema staging is 'another project'")
        connection.execute("drop view staging.stg_raw__llm_calls cascade")
    assert ensure_views(stack.settings, stack.url)
    assert not ensure_views(stack.settings, stack.url)
    with connect(stack.url) as connection:
        assert rows(connection, "select count(*) from staging.stg_raw__llm_calls") == [(0,)]


def test_a_failing_dbt_says_what_it_said_in_one_line(stack: Stack) -> None:
    from orchestration.dbt import DbtError, run_dbt
    from orchestration.partitions import range_window

    with connect(stack.url) as connection:
        connection.execute("drop view staging.stg_cost__charges cascade")
    with pytest.raises(DbtError, match="stg_cost__charges") as caught:
        run_dbt(stack.settings, stack.url, [range_window(FIRST, FIRST)])
    assert "\n" not in str(caught.value)
