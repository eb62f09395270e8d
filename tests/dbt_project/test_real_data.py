"""Marts over real traffic and votes: just what polars says of the files, and the order that people gave."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.statistics.correlation import spearman
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.prompts.prompt_templates import mine_window
from orchestration.windows import day_window
from tests.conftest import create_database, drop_database
from tests.dbt_project import azure_trace, mtbench
from tests.dbt_project.marts import records
from tests.dbt_project.running_dbt import Dbt
from tests.dbt_project.seed import seed_rule_sets

Connection = psycopg.Connection[TupleRow]
WINDOWS = [
    ["2023-11-16T00:00:00Z", "2023-11-17T00:00:00Z"],
    [f"{mtbench.DAY}T00:00:00Z", f"{mtbench.DAY}T12:00:00Z"],
]


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> pl.DataFrame:
    return azure_trace.trace(shared_data)


@pytest.fixture(scope="module")
def built(
    *,
    shared_data: Path,
    rows: pl.DataFrame,
    maintenance_url: DatabaseUrl,
    owner_url: DatabaseUrl,
    template: str,
    dbt: Dbt,
) -> Iterator[DatabaseUrl]:
    """Both data sets in one warehouse, modelled."""
    name = f"lqo_real_{uuid4().hex}"
    url = owner_url.with_database(name)
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=template)
    try:
        with connect(url, autocommit=True) as connection:
            seed_rule_sets(connection)
            for month in ("2023-11-01", "2023-12-01"):
                connection.execute("select ingest.ensure_month(%s::date)", (month,))
            with connection.transaction():
                azure_trace.load(connection, rows)
                mtbench.load(connection, shared_data)
            mine_window(connection, [day_window(mtbench.DAY)])
        dbt.build(url, windows=[], selector="deploy")
        outcome = dbt("run", "--select", "config.materialized:incremental", url=url, windows=WINDOWS)
        assert outcome.success, outcome.text
        yield url
    finally:
        with connect(maintenance_url, autocommit=True) as maintenance:
            drop_database(maintenance, name)


@pytest.fixture
def reader(built: DatabaseUrl) -> Iterator[Connection]:
    with connect(built) as connection:
        yield connection


def test_hours_of_real_traffic_are_those_of_the_file(reader: Connection, rows: pl.DataFrame) -> None:
    wanted = azure_trace.hours(rows).to_dicts()
    found = records(
        reader,
        "select hour, model, n_calls, n_failed, input_uncached as input_tokens, output_text as output_tokens,"
        " amount_usd from marts.calls_hourly where project = 'azure' order by 1, 2",
    )
    assert sum(row["n_calls"] for row in found) == 28_185
    for have, want in zip(found, wanted, strict=True):
        amount = want["input_tokens"] * azure_trace.INPUT_USD + want["output_tokens"] * azure_trace.OUTPUT_USD
        assert have == {**{name: want[name] for name in have if name != "amount_usd"}, "amount_usd": amount}
        assert isinstance(have["amount_usd"], Decimal)


def test_checks_of_real_traffic_are_those_of_the_file(reader: Connection, rows: pl.DataFrame) -> None:
    found = records(
        reader,
        "select hour, model, n_eligible as n_calls, n_failed from marts.quality_hourly"
        " where project = 'azure' and evaluator = 'refusal' order by 1, 2",
    )
    wanted = azure_trace.hours(rows).select("hour", "model", "n_calls", "n_failed").to_dicts()
    assert found == wanted
    assert sum(row["n_failed"] for row in found) > 1_000


def test_percentiles_of_hours_of_real_traffic_are_exact(reader: Connection, rows: pl.DataFrame) -> None:
    found = records(
        reader, "select * from marts.latency_hourly where hour < '2023-11-17' order by hour, model"
    )
    for have, want in zip(found, azure_trace.hours(rows).to_dicts(), strict=True):
        exact = {name: have[name] for name in ("hour", "model", "n_calls", "n_ttft", "latency_max_ms")}
        assert exact == {name: want[name] for name in exact}
        for name in (name for name in want if "_p" in name):
            assert have[name] == pytest.approx(want[name], rel=1e-12)


@pytest.mark.parametrize("measure", ["latency", "ttft"])
def test_percentiles_over_a_day_of_real_traffic_are_within_one_percent(
    reader: Connection, rows: pl.DataFrame, measure: str
) -> None:
    query = (
        f"select * from marts.latency_percentiles('2023-11-16', '2023-11-16', of_measure => '{measure}',"
        " of_projects => '{azure}')"
    )
    found = {row["model"]: row for row in records(reader, query)}
    assert found.keys() == {"(all)", *azure_trace.TRACES}
    for model, row in found.items():
        values = rows.filter((pl.col("model") == model) | (model == "(all)"))[f"{measure}_ms"].drop_nulls()
        assert row["n_calls"] == len(values)
        for percent in (50, 95, 99):
            exact = values.quantile(percent / 100, "nearest")
            assert row[f"p{percent}_ms"] == pytest.approx(exact, rel=0.011), percent


def ranking(reader: Connection, evaluator: str) -> dict[str, dict[str, Any]]:
    query = (
        f"select * from marts.compare_models('{mtbench.DAY}', '{mtbench.DAY}', of_evaluator => '{evaluator}')"
    )
    return {row["model"]: row for row in records(reader, query)}


def correlation(one: dict[str, float], other: dict[str, float]) -> float:
    models = sorted(other)
    return spearman([one[model] for model in models], [other[model] for model in models]).value


@pytest.mark.parametrize(
    ("evaluator", "least"),
    # By the votes themselves the order must be theirs; a judge may take two neighbours for each other.
    [("human_votes", 1.0), ("gpt4_pair", 0.94)],
)
def test_models_are_ranked_as_people_rank_them(
    reader: Connection, shared_data: Path, evaluator: str, least: float
) -> None:
    published = mtbench.win_rates(mtbench.votes(shared_data, "human_votes"))
    found = ranking(reader, evaluator)
    assert found.keys() == published.keys()
    for column in ("standardised", "matched_difference"):
        assert correlation({model: row[column] for model, row in found.items()}, published) >= least, column


def test_verdicts_on_real_votes_are_those_of_the_published_order(reader: Connection) -> None:
    """gpt-4 leads, and llama-13b comes last; both are sure with 160 prompts that all models have answered."""
    found = ranking(reader, "human_votes")
    assert {row["n_matched_prompts"] for row in found.values()} <= set(range(150, 161))
    for column in ("verdict", "standardised_verdict", "matched_verdict"):
        assert (found["gpt-4"][column], found["llama-13b"][column]) == ("better", "worse")
    (pair,) = records(
        reader,
        f"select * from marts.model_pairs where day = '{mtbench.DAY}' and evaluator = 'human_votes'"
        " and model = 'gpt-4' and other_model = 'llama-13b'",
    )
    assert (pair["verdict"], pair["measure"]) == ("better", "mean_score")


def test_prompts_of_coding_and_math_are_read_as_such(reader: Connection, shared_data: Path) -> None:
    """A coarse rule: of MT-Bench's own categories most first turns of coding, math and writing are found."""
    rows = records(
        reader,
        "select distinct bodies.input_text as prompt, prompt_class, language"
        " from evaluation.prompt_assignments inner join raw.llm_bodies as bodies using (started_at, call_id)",
    )
    assert {row["language"] for row in rows} <= {"en", "(unclear)"}
    assert len({row["prompt_class"] for row in rows}) >= 6
