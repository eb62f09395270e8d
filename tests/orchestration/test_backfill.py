"""Backfills: the daemon works on them as on the UI's, in turn, and nothing of ours outlives them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.backfill import BackfillError, BackfillOutcome, backfill
from orchestration.selection import UnknownAssetError, resolve_assets
from tests.orchestration.conftest import Stack
from tests.orchestration.seeding import add_calls, rows

FIRST = date(2026, 10, 14)
START = datetime(2026, 10, 14, 3, tzinfo=UTC)
N_DAYS = 8


def until(is_true: Callable[[], bool], *, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def processes_of(home: Path) -> list[str]:
    """Command lines of live processes whose environment names this home."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != os.getpid() and str(home).encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return [line for line in found if line]


def n_scored(url: DatabaseUrl) -> int:
    with connect(url) as connection:
        [(n,)] = rows(connection, "select count(*) from evaluation.rule_results")
    return n


@pytest.mark.slow
def test_a_backfill_runs_in_turns_of_a_week_and_leaves_nothing_running(
    stack: Stack, instance: dg.DagsterInstance
) -> None:
    with connect(stack.url) as connection:
        add_calls(connection, N_DAYS * 24, start=START, spacing=timedelta(hours=1))
    said: list[str] = []
    outcome = backfill(
        stack.settings,
        stack.url,
        ["raw/llm_calls", "rule_scores"],
        from_day=FIRST,
        to_day=FIRST + timedelta(days=N_DAYS - 1),
        on_progress=said.append,
        dagster_url=stack.dagster_url,
    )
    assert outcome.ok, outcome
    assert (outcome.n_assets, outcome.n_days, outcome.n_runs) == (2, N_DAYS, 2)
    assert n_scored(stack.url) == N_DAYS * 24 - 3, "the last three hours are of the day after"
    with connect(stack.url) as connection:
        checked = rows(
            connection, "select count(*) from evaluation.day_checks where check_name = 'structure'"
        )
    assert checked == [(N_DAYS,)], "checks come along with their asset"
    assert "2 of 2 runs done" in said
    assert processes_of(stack.settings.home) == []

    older, newer = sorted(instance.get_run_records(), key=lambda record: record.start_time or 0)
    assert older.end_time is not None and newer.start_time is not None
    assert newer.start_time >= older.end_time, "the pool has one slot"
    materialised = instance.get_materialized_partitions(dg.AssetKey(["evaluation", "rule_scores"]))
    assert len(materialised) == N_DAYS


BACKFILL = """
from datetime import date
from ingest.database.url import parse_url
from ingest.settings import load_settings
from orchestration.backfill import backfill
import os, sys

settings = load_settings()
day = date.fromisoformat(sys.argv[1])
backfill(settings, parse_url(settings.database_url), ["rule_scores"], from_day=day, to_day=day,
         dagster_url=parse_url(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_killed_backfill_takes_its_daemon_along(stack: Stack, instance: dg.DagsterInstance) -> None:
    environment = {**os.environ, **stack.environment}
    command = [sys.executable, "-W", "ignore", "-c", BACKFILL, FIRST.isoformat(), stack.dagster_url.libpq()]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        until(lambda: any("backfill_daemon" in line for line in processes_of(stack.settings.home)))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: processes_of(stack.settings.home) == [], seconds=30)


RUN_DAY = """
from datetime import date
from ingest.settings import load_settings
from orchestration.backfill import run_days
import sys
day = date.fromisoformat(sys.argv[1])
run_days(load_settings(), from_day=day, to_day=day)
"""


@pytest.mark.slow
def test_the_next_run_finishes_what_a_killed_one_began(stack: Stack) -> None:
    with connect(stack.url) as connection:
        add_calls(connection, 1000, start=START, spacing=timedelta(seconds=30))
    environment = {**os.environ, **stack.environment}
    command = [sys.executable, "-W", "ignore", "-c", RUN_DAY, FIRST.isoformat()]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        until(lambda: n_scored(stack.url) > 0 or process.poll() is not None)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was killed in the middle"

    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    with connect(stack.url) as connection:
        assert rows(connection, "select count(*), count(amount_usd), count(is_failed) from marts.calls") == [
            (1000, 1000, 1000)
        ]


@pytest.mark.parametrize(
    ("first", "last"),
    [(date(2022, 12, 31), FIRST), (FIRST, date(2099, 1, 1)), (FIRST, FIRST - timedelta(days=1))],
)
def test_days_that_cannot_be_are_refused_before_anything_starts(
    first: date, last: date, stack: Stack
) -> None:
    with pytest.raises(BackfillError, match=r"2023-01-01|after"):
        backfill(stack.settings, stack.url, ["rule_scores"], from_day=first, to_day=last)


SPECS = [
    dg.AssetSpec(["raw", "llm_calls"]),
    dg.AssetSpec(["evaluation", "rule_scores"], deps=[["raw", "llm_calls"]]),
    dg.AssetSpec(["marts", "calls"], deps=[["evaluation", "rule_scores"]], group_name="marts"),
    dg.AssetSpec(["marts", "cost_daily"], deps=[["marts", "calls"]], group_name="marts"),
    dg.AssetSpec(["other", "calls"]),
]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["rule_scores"], ["evaluation/rule_scores"]),
        (["marts/calls"], ["marts/calls"]),
        (["marts"], ["marts/calls", "marts/cost_daily"]),
        (["rule_scores+"], ["evaluation/rule_scores", "marts/calls", "marts/cost_daily"]),
    ],
)
def test_assets_go_by_path_last_name_or_group(names: list[str], expected: list[str]) -> None:
    assert [key.to_user_string() for key in resolve_assets(names, specs=SPECS)] == expected


@pytest.mark.parametrize(
    ("name", "said"), [("nothing", "no asset"), ("calls", "may mean marts/calls, other/calls")]
)
def test_an_unknown_or_doubtful_name_is_refused_with_what_there_is(name: str, said: str) -> None:
    with pytest.raises(UnknownAssetError, match=said):
        resolve_assets([name], specs=SPECS)


def test_an_outcome_reads_as_one_line() -> None:
    failed = BackfillOutcome("abc", 2, 7, 1, 12.4, error="step cost__charges: no such column")
    assert str(failed) == (
        "backfill abc: 2 assets over 7 days: failed: step cost__charges: no such column (1 runs, 12 s)"
    )
    assert not failed.ok
