"""The project itself: it parses without a warning, keeps its contracts and reads no more than its windows."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.dbt_project.marts import TABLES
from tests.dbt_project.running_dbt import PROJECT, Dbt, days, environment, folders, hours
from tests.dbt_project.seed import FIRST_DAY, LAST_DAY, MIDDLE_DAY


@pytest.fixture(scope="module")
def built(seeded: DatabaseUrl, dbt: Dbt) -> DatabaseUrl:
    dbt.build(seeded, windows=days(FIRST_DAY, count=3))
    return seeded


@pytest.fixture
def owner(built: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    with connect(built) as connection:
        yield connection


@pytest.fixture(scope="module")
def manifest(dbt: Dbt) -> dict[str, Any]:
    return json.loads((dbt.parsed / "manifest.json").read_text())


def test_parse_is_free_of_warnings_and_writes_nothing_into_the_project(
    seeded: DatabaseUrl, scratch: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in PROJECT.rglob("*")}
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("dbt")),
            "--warn-error-options",
            '{"error": "all"}',
            "parse",
            "--show-all-deprecations",
            *folders(scratch),
        ],
        env={**os.environ, **environment(seeded)},
        cwd=scratch.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "deprecat" not in done.stdout.lower()
    assert {path: path.stat().st_mtime_ns for path in PROJECT.rglob("*")} == before


def test_unit_tests_pass(built: DatabaseUrl, dbt: Dbt) -> None:
    outcome = dbt("test", "--selector", "unit", url=built)
    assert outcome.success, outcome.text
    assert len(outcome.nodes) >= 8


def test_nightly_tests_read_all_of_history(
    built: DatabaseUrl, dbt: Dbt, owner: psycopg.Connection[TupleRow]
) -> None:
    """A wrong row of an old day passes the tests of today and fails the nightly ones."""
    set_failed = "update marts.calls_hourly set n_ok = n_ok + %s where hour = %s"
    owner.execute(set_failed, [1, f"{FIRST_DAY}T05:00Z"])
    owner.commit()
    try:
        today = dbt("test", "--selector", "nightly", url=built, windows=days(LAST_DAY))
        nightly = dbt("test", "--selector", "nightly", url=built, windows="all")
    finally:
        owner.execute(set_failed, [-1, f"{FIRST_DAY}T05:00Z"])
        owner.commit()
    assert today.success, today.text
    failed = [name for name, status in nightly.nodes.items() if status == "fail"]
    assert len(failed) == 1
    assert failed[0].startswith("equals_sum_calls_hourly")


def test_every_mart_has_a_contract_a_key_and_documented_columns(manifest: dict[str, Any]) -> None:
    marts = [node for node in manifest["nodes"].values() if node.get("schema") == "marts" and is_model(node)]
    assert len(marts) >= 18
    for node in marts:
        assert node["config"]["contract"]["enforced"], node["name"]
        assert node["description"], node["name"]
        if node["config"]["materialized"] == "incremental":
            assert node["config"]["full_refresh"] is False
            assert [rule["type"] for rule in node["constraints"]] == ["primary_key"], node["name"]


def test_every_column_of_every_model_is_documented(
    manifest: dict[str, Any], owner: psycopg.Connection[TupleRow]
) -> None:
    query = """
        select table_schema || '.' || table_name, array_agg(column_name::text)
        from information_schema.columns
        where table_schema in ('staging', 'intermediate', 'marts')
        group by 1
    """
    columns = dict(owner.execute(query).fetchall())
    models = [node for node in manifest["nodes"].values() if is_model(node)]
    for node in models:
        described = {name for name, column in node["columns"].items() if column["description"]}
        if node["config"]["materialized"] != "ephemeral":
            assert described == set(columns[f"{node['schema']}.{node['name']}"]), node["name"]
        assert described, node["name"]


def test_sources_are_the_assets_that_write_them(manifest: dict[str, Any]) -> None:
    keys = {
        (source["source_name"], source["name"]): source["config"]["meta"]["dagster"]["asset_key"]
        for source in manifest["sources"].values()
        if source["config"]["meta"]
    }
    assert (
        keys.items()
        >= {
            ("raw", "llm_calls"): ["raw", "llm_calls"],
            ("evaluation", "rule_results"): ["evaluation", "rule_scores"],
            ("evaluation", "judgements"): ["evaluation", "judgements"],
            ("cost", "charges"): ["cost", "charges"],
        }.items()
    )


def test_a_changed_contract_fails_and_leaves_the_mart_alone(
    built: DatabaseUrl, dbt: Dbt, owner: psycopg.Connection[TupleRow]
) -> None:
    """A column that the table lacks must not be added with a history of nulls."""
    owner.execute("alter table marts.latency_hourly rename column n_error to n_errors")
    owner.commit()
    try:
        outcome = dbt("run", "--select", "latency_hourly", url=built, windows=days(LAST_DAY))
    finally:
        owner.execute("alter table marts.latency_hourly rename column n_errors to n_error")
        owner.commit()
    assert not outcome.success
    assert "out of sync" in outcome.text


def test_the_primary_key_refuses_a_second_row(owner: psycopg.Connection[TupleRow]) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("insert into marts.calls select * from marts.calls limit 1")
    owner.rollback()


def test_readers_may_read_every_mart_and_view(owner: psycopg.Connection[TupleRow]) -> None:
    query = """
        select count(*), count(*) filter (where has_table_privilege('lqo_reader', oid, 'select'))
        from pg_class
        where relnamespace in ('staging'::regnamespace, 'marts'::regnamespace) and relkind in ('r', 'v')
    """
    n_relations, n_readable = owner.execute(query).fetchone() or (0, 0)
    assert n_relations == n_readable >= 31


def test_a_refresh_touches_no_view(owner: psycopg.Connection[TupleRow], built: DatabaseUrl, dbt: Dbt) -> None:
    """A view of someone else's on ours must outlive every refresh, and so must our views' identity."""
    query = """
        select oid
        from pg_class
        where relkind = 'v' and relnamespace in ('staging'::regnamespace, 'marts'::regnamespace)
        order by 1
    """
    before = owner.execute(query).fetchall()
    owner.rollback()
    outcome = dbt.build(built, windows=hours(MIDDLE_DAY, 3, 4))
    assert outcome.nodes.keys() <= set(TABLES)
    assert len(outcome.nodes) >= 14
    assert owner.execute(query).fetchall() == before


@pytest.mark.parametrize("model", ["calls", "quality_hourly", "latency_hourly", "cost_daily"])
def test_an_hour_is_read_by_its_key_in_one_partition(
    built: DatabaseUrl, dbt: Dbt, owner: psycopg.Connection[TupleRow], model: str
) -> None:
    """Constant ranges: other months are pruned while planning, the rest is a range of the primary key."""
    outcome = dbt("compile", "--select", model, url=built, windows=hours(MIDDLE_DAY, 3, 4))
    assert outcome.success, outcome.text
    compiled = dbt.scratch / "target/compiled/llm_quality_observer/models/marts" / f"{model}.sql"
    # A handful of rows is read whole by choice; the test is of what the planner can do on large tables.
    owner.execute("set local enable_seqscan = off")
    (plan,) = owner.execute("explain (format json) " + compiled.read_text()).fetchone() or ([],)
    owner.rollback()
    scans = [node for node in walk(plan[0]["Plan"]) if "Relation Name" in node]
    months = {node["Relation Name"] for node in scans if "_y20" in node["Relation Name"]}
    assert all(month.endswith("y2026m11") for month in months)
    assert len(months) == {"calls": 3, "quality_hourly": 2}.get(model, 0)
    large = [node for node in walk(plan[0]["Plan"]) if is_fact(node)]
    assert large
    assert all("Index" in node["Node Type"] or "Bitmap" in node["Node Type"] for node in large)


def test_failing_calls_of_an_hour_read_no_other_month(owner: psycopg.Connection[TupleRow]) -> None:
    (first, last) = hours(MIDDLE_DAY, 3, 4)[0]
    # What the planner does once there are many failing calls: it joins by hash, unless it cannot.
    owner.execute("set local enable_nestloop = off")
    query = f"select * from marts.failing_calls where started_at >= '{first}' and started_at < '{last}'"
    (plan,) = owner.execute(f"explain (analyze, format json) {query}".encode()).fetchone() or ([],)
    owner.rollback()
    read = {
        node["Relation Name"]
        for node in walk(plan[0]["Plan"])
        if node["Actual Loops"] and node.get("Relation Name", "").startswith("llm_calls")
    }
    assert read == {"llm_calls_y2026m11"}


def is_model(node: dict[str, Any]) -> bool:
    return node["resource_type"] == "model"


def is_fact(node: dict[str, Any]) -> bool:
    name = node.get("Relation Name", "")
    return "_y20" in name or name in ("calls", "calls_hourly")


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)
