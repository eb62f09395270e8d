"""The law of the line, through dbt: a new version changes no earlier day, unless it is promoted there."""

from collections.abc import Sequence
from datetime import timedelta
from typing import LiteralString

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from ingest.database.connect import connect
from orchestration.dbt import run_dbt
from orchestration.dirty import mark_hours
from orchestration.refresh import light_refresh
from orchestration.rules.scoring import score_window
from orchestration.versions.bridging import bridge_versions
from orchestration.versions.promoting import promote
from orchestration.versions.registry import find_version
from orchestration.windows import Window, day_window
from tests.orchestration.conftest import Stack
from tests.orchestration.rules.fake_rules import Steered, rule
from tests.orchestration.seeding import DAY_START, add_calls, rows

Connection = psycopg.Connection[TupleRow]
DAY = timedelta(days=1)
FIRST, SECOND = DAY_START.date(), (DAY_START + DAY).date()
BOTH = Window(DAY_START, DAY_START + 2 * DAY)
MILD = rule("refusal", Steered())
EVEN = pl.col("output_text").str.extract(r"question (\d+)").cast(pl.Int32) % 2 == 0
STRICT = rule("refusal", Steered(fails=EVEN), version="2.0.0")

LINES: LiteralString = """
select
    (hour at time zone 'UTC')::date::text, left(evaluator_version, 5), sum(n_scored)::int, sum(n_failed)::int
from marts.quality_hourly
where evaluator = 'refusal'
group by 1, 2 order by 1, 2
"""
FAILING: LiteralString = """
select (hour at time zone 'UTC')::date::text, rule_set_version, sum(n_scored)::int, sum(n_failed)::int
from marts.failing_hourly group by 1, 2 order by 1, 2
"""
BOUNDARIES: LiteralString = """
select
    evaluator, left(from_version, 5), left(to_version, 5), at, cause, round(value_offset::numeric, 3)::text,
    n_shared
from marts.evaluator_boundaries order by at
"""
QUALITY: LiteralString = (
    "select mart::text from marts.quality_hourly as mart where hour < '2026-10-15' order by 1"
)


def refresh(stack: Stack, connection: Connection, rules: Sequence[Rule]) -> None:
    def dbt(windows: Sequence[Window]) -> None:
        run_dbt(stack.settings, stack.url, windows)

    light_refresh(connection, run_dbt=dbt, rules=rules)


@pytest.mark.slow
def test_a_new_version_changes_no_day_but_those_it_is_promoted_for(stack: Stack) -> None:
    with connect(stack.url) as connection:
        with connection.transaction():
            add_calls(connection, 150, seed="first")
            add_calls(connection, 150, seed="second", start=DAY_START + DAY)
        refresh(stack, connection, [MILD])
        old = [(str(FIRST), "1.0.0", 150, 0), (str(SECOND), "1.0.0", 150, 0)]
        assert rows(connection, LINES) == old
        assert rows(connection, BOUNDARIES) == []

        # A release of the rule scores both days again: its results are there, and no day shows them.
        score_window(connection, [BOTH], rules=[STRICT])
        refresh(stack, connection, [STRICT])
        assert rows(connection, "select count(*) from evaluation.rule_results") == [(600,)]
        assert rows(connection, LINES) == old
        before, after = find_version(connection, "refusal@1"), find_version(connection, "refusal@2")
        [(evaluator, old_version, new_version, _, cause, offset, n)] = rows(connection, BOUNDARIES)
        assert (evaluator, old_version, new_version) == ("refusal", "1.0.0", "2.0.0")
        assert (cause, offset, n) == ("shipped", None, 0)

        # Asked for from the second day on, it shows there, says so, and leaves the first day as it was.
        first_day = rows(connection, QUALITY)
        bridge_versions(connection, before=before, after=after, first_day=FIRST, last_day=SECOND)
        done = promote(connection, after, from_day=SECOND)
        assert done.restated == (SECOND,)
        refresh(stack, connection, [STRICT])
        new = [(str(FIRST), "1.0.0", 150, 0), (str(SECOND), "2.0.0", 150, 75)]
        assert rows(connection, LINES) == new
        assert rows(connection, QUALITY) == first_day
        assert [(day, n, failed) for day, _, n, failed in rows(connection, FAILING)] == [
            (str(FIRST), 150, 0),
            (str(SECOND), 150, 75),
        ]
        assert rows(connection, BOUNDARIES) == [
            ("refusal", "1.0.0", "2.0.0", day_window(SECOND).start, "promoted", "-0.500", 300)
        ]

        # Whatever makes an old hour dirty, a late call for one, the old line stays.
        with connection.transaction():
            mark_hours(connection, [DAY_START, DAY_START + DAY], stage="calls")
        refresh(stack, connection, [STRICT])
        assert rows(connection, LINES) == new
