"""Prompt patterns say what the calls of each template came to, and only whole days rebuild them."""

from collections.abc import Iterator, Sequence

import numpy as np
import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.meaning.embedding import Embedder
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.prompts.prompt_groups import group_prompts
from tests.dbt_project.expected import wilson
from tests.dbt_project.marts import records, rows_of
from tests.dbt_project.running_dbt import Dbt, days, hours
from tests.dbt_project.seed import FIRST_DAY, LAST_DAY, MIDDLE_DAY

pytestmark = pytest.mark.xdist_group("analysed")

Connection = psycopg.Connection[TupleRow]

EXPECTED = """
select
    (calls.started_at at time zone 'UTC')::date as day,
    coalesce(assignments.template_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff') as template_id,
    count(*) as n_calls,
    count(calls.is_failed) as n_scored,
    count(*) filter (where calls.is_failed) as n_failed
from marts.calls
left join evaluation.prompt_assignments as assignments using (started_at, call_id)
group by 1, 2
order by 1, 2
"""


@pytest.fixture
def reader(analysed: DatabaseUrl) -> Iterator[Connection]:
    with connect(analysed) as connection:
        yield connection


def test_every_call_stands_in_exactly_one_pattern(reader: Connection) -> None:
    wanted = records(reader, EXPECTED)
    names = ", ".join(wanted[0])
    assert records(reader, f"select {names} from marts.prompt_patterns_daily order by 1, 2") == wanted
    assert len(wanted) == 3 * 6
    shown = {row["template"] for row in records(reader, "select template from marts.prompt_patterns")}
    assert shown == {"(not mined yet)", *(f"template {number}" for number in range(5))}


def test_models_and_versions_add_up(reader: Connection) -> None:
    for column in ("models", "prompt_versions"):
        rows = records(
            reader, f"select n_calls, n_failed, {column} as parts from marts.prompt_patterns_daily"
        )
        for row in rows:
            assert sum(part["calls"] for part in row["parts"].values()) == row["n_calls"]
            assert sum(part["failed"] for part in row["parts"].values()) == row["n_failed"]


def test_examples_are_calls_of_the_template_and_begin_with_failed_ones(reader: Connection) -> None:
    failed = {row["call_id"] for row in records(reader, "select call_id from marts.calls where is_failed")}
    for row in records(reader, "select n_calls, n_failed, example_call_ids from marts.prompt_patterns_daily"):
        examples = row["example_call_ids"]
        assert len(set(examples)) == min(5, row["n_calls"])
        assert [each in failed for each in examples] == [n < row["n_failed"] for n in range(len(examples))]


def test_rates_carry_their_interval_and_the_baseline_is_the_rest_of_the_day(reader: Connection) -> None:
    rows = records(reader, "select * from marts.prompt_patterns")
    for row in rows:
        rest = [each for each in rows if each["day"] == row["day"] and each is not row]
        rest_rate = sum(each["n_failed"] for each in rest) / sum(each["n_scored"] for each in rest)
        assert (row["fail_rate_low"], row["fail_rate_high"]) == pytest.approx(
            wilson(row["n_failed"], row["n_scored"]), abs=1e-12
        )
        assert row["excess_failures"] == pytest.approx(row["n_failed"] - row["n_scored"] * rest_rate)
        assert row["is_new"] is (None if row["origin"] == "none" else row["day"] <= MIDDLE_DAY)


def test_patterns_are_ranked_by_the_lower_end(reader: Connection) -> None:
    rows = records(
        reader, "select * from marts.prompt_patterns where position is not null order by day, position"
    )
    assert rows
    for day in {row["day"] for row in rows}:
        of_day = [row for row in rows if row["day"] == day]
        lows = [row["fail_rate_low"] for row in of_day]
        assert lows == sorted(lows, reverse=True)
        assert [row["position"] for row in of_day] == list(range(1, len(of_day) + 1))
        assert all(row["n_scored"] >= 20 for row in of_day)


def test_a_second_run_of_the_day_changes_nothing(reader: Connection, analysed: DatabaseUrl, dbt: Dbt) -> None:
    query = "select xmin::text, mart::text from marts.prompt_patterns_daily as mart order by 2"
    before = records(reader, query)
    dbt.build(analysed, windows=days(MIDDLE_DAY), selector="day")
    assert records(reader, query) == before


def test_a_light_refresh_leaves_patterns_alone(reader: Connection, analysed: DatabaseUrl, dbt: Dbt) -> None:
    before = rows_of(reader, "prompt_patterns_daily")
    outcome = dbt.build(analysed, windows=hours(LAST_DAY, 3, 4))
    assert "prompt_patterns_daily" not in outcome.nodes
    assert rows_of(reader, "prompt_patterns_daily") == before


def test_one_day_of_the_view_reads_that_day_and_its_week(reader: Connection) -> None:
    reader.execute("set local enable_seqscan = off")
    query = f"explain (format json) select * from marts.prompt_patterns where day = '{LAST_DAY}'"
    (plan,) = reader.execute(query.encode()).fetchone() or ([],)
    reader.rollback()
    waiting, conditions = [plan[0]["Plan"]], list[str]()
    while waiting:
        node = waiting.pop()
        waiting.extend(node.get("Plans", []))
        if node.get("Relation Name") == "prompt_patterns_daily":
            conditions.append(node.get("Index Cond", node.get("Recheck Cond", "")))
    assert len(conditions) == 2
    assert all("day" in condition for condition in conditions)


def test_templates_of_one_meaning_are_counted_together(reader: Connection) -> None:
    """With vectors made by hand: templates 0, 2 and 4 mean one thing, 1 and 3 another."""

    def vectors(texts: Sequence[str]) -> np.ndarray:
        return np.asarray([[1, 0] if int(text[-1]) % 2 == 0 else [0, 1] for text in texts], dtype=np.float32)

    given = {"first": FIRST_DAY, "last": LAST_DAY, "embedder": lambda: Embedder("by hand", vectors, vectors)}
    even, odd = group_prompts(reader, **given)  # type: ignore[arg-type]
    assert (even.n_templates, odd.n_templates) == (3, 2)
    totals = records(
        reader,
        "select sum(n_calls) as n_calls, sum(n_failed) as n_failed from marts.prompt_patterns"
        " where origin = 'mined'",
    )
    assert totals == [{"n_calls": even.n_calls + odd.n_calls, "n_failed": even.n_failed + odd.n_failed}]
    assert len(group_prompts(reader, **given, most=1)) <= 1  # type: ignore[arg-type]
