"""What Dagster's runs say: a job or a check (of severity error) that fails, until it succeeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import Rule
from orchestration.alerts.engine.own_rules import ASSET_CHECK, RUN_FAILURE
from orchestration.alerts.engine.rule_reading import RuleReading, from_verdicts
from orchestration.alerts.engine.settle import settle
from orchestration.alerts.engine.store import read_states
from orchestration.alerts.engine.transition import Transition
from orchestration.alerts.engine.verdict import Verdict
from orchestration.alerts.reading.types import Group

# An error of dbt may be pages long; the run's page has all of it.
LONGEST_ERROR = 300
INSTANT = timedelta(microseconds=1)
# Longer than the longest schedule, a month: what has not run since was a single try, renamed or deleted.
FORGOTTEN_AFTER = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check of an asset as a run left it; only one of severity error `is_error`."""

    name: str
    passed: bool
    is_error: bool
    description: str = ""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that ended; `error` is what failed it, None for one that succeeded. `at` is aware."""

    run_id: str
    job: str
    at: datetime
    error: str | None = None
    checks: tuple[CheckResult, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


def record_run(connection: psycopg.Connection[TupleRow], run: EndedRun) -> list[Transition]:
    """States, events and messages of the run's job and of its checks; the same run again is nothing."""
    readings = [_reading(RUN_FAILURE, {(("job", run.job),): _of_job(run)}, run)]
    checks: dict[Group, Verdict] = {(("check", one.name),): _of_check(one) for one in run.checks}
    readings += [_reading(ASSET_CHECK, checks, run)] if checks else []
    return settle(connection, readings, now=run.at, only_read=True)


def end_forgotten(connection: psycopg.Connection[TupleRow], *, now: datetime) -> list[Transition]:
    """Resolve failures of jobs and checks that have not run for 35 days: no success would ever end them."""
    with connection.transaction():
        states = read_states(connection, [RUN_FAILURE.name, ASSET_CHECK.name])
    over = Verdict("clear", reason=f"it has not run for {FORGOTTEN_AFTER.days} days")
    readings: list[RuleReading] = []
    for rule in (RUN_FAILURE, ASSET_CHECK):
        gone: dict[Group, Verdict] = {
            tuple(held.dimensions.items()): over
            for held in states[rule.name].values()
            if held.memory.state == "firing" and now - held.memory.evaluated_at >= FORGOTTEN_AFTER
        }
        if gone:
            readings.append(from_verdicts(rule, gone, (now - INSTANT, now), source="dagster"))
    return settle(connection, readings, now=now, only_read=True)


def _reading(rule: Rule, verdicts: Mapping[Group, Verdict], run: EndedRun) -> RuleReading:
    window = (run.at - INSTANT, run.at)
    links = {"dagster": f"/runs/{run.run_id}"}
    return from_verdicts(rule, verdicts, window, source="dagster", links=links)


def _of_job(run: EndedRun) -> Verdict:
    if run.error is None:
        return Verdict("clear", reason="a later run succeeded")
    partition = run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_start")
    day = f" of {partition}" if partition else ""
    return Verdict("breach", reason=f"run {run.run_id[:8]}{day} failed: {_short(run.error)}")


def _of_check(check: CheckResult) -> Verdict:
    if check.passed or not check.is_error:
        return Verdict("clear", reason="it passes")
    return Verdict("breach", reason=_short(check.description) or "it fails")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_ERROR else f"{line[: LONGEST_ERROR - 1]}…"
