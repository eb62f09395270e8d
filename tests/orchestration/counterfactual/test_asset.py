"""The asset `analysis/counterfactual`."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ingest.database.connect import connect
from ingest.database.sibling import dagster_database_name
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.assets.counterfactual import counterfactual
from orchestration.instance import open_instance
from orchestration.resources import Warehouse
from tests.conftest import create_database, drop_database
from tests.judge_endpoint import JudgeEndpoint, judge_endpoint_in_thread
from tests.orchestration.comparison.playing import JUDGE, Lqo
from tests.orchestration.counterfactual.playing import DAY, land, play, questions, set_prices

MART = """
select model, grade, verdict, replay_usd, judging_usd from marts.cost_quality_frontier order by grade
"""
CLAIMED = """
select
    sum(spent_usd) filter (where purpose = 'replay'), sum(spent_usd) filter (where purpose = 'judge')
from evaluation.replay_claims
"""


def materialize(endpoint: JudgeEndpoint, **config: Any) -> dg.ExecuteInProcessResult:
    asked = {
        "first_day": DAY,
        "last_day": DAY,
        "models": ["cheap", "dear"],
        "max_usd": "5",
        "max_tokens": 200,
        "base_url": endpoint.url,
        "judge": JUDGE,
    }
    with dg.instance_for_test() as instance:
        return dg.materialize(
            [counterfactual],
            resources={"warehouse": Warehouse()},
            run_config={"ops": {"analysis__counterfactual": {"config": asked | config}}},
            instance=instance,
            raise_on_error=False,
        )


def test_the_asset_replays_to_rows_and_a_page_and_its_dry_run_to_an_estimate(
    modelled_warehouse: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LQO_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", modelled_warehouse.libpq())
    with connect(modelled_warehouse) as connection:
        set_prices(connection)
        land(connection, questions(6))
    with judge_endpoint_in_thread(play({"cheap": 4, "dear": 5})) as endpoint:
        dry = materialize(endpoint, dry_run=True)
        assert endpoint.requests == 0
        wrong = materialize(endpoint, max_usd="-1")
        done = materialize(endpoint)
    [told] = dry.asset_materializations_for_node("analysis__counterfactual")
    assert told.metadata["n_prompts"].value == 6
    assert "cheap" in str(told.metadata["preview"].value)
    [failed] = [event for event in wrong.all_events if event.is_step_failure]
    assert "the budget is more than 0 USD" in str(failed.event_specific_data)
    [event] = done.asset_materializations_for_node("analysis__counterfactual")
    assert event.metadata["dagster/row_count"].value == 3
    assert event.metadata["outcome"].value == "finished"
    page = Path(str(event.metadata["report"].value)).read_text()
    assert "<svg" in page
    assert "dominated by cheap" in page
    with connect(modelled_warehouse) as connection:
        rows = connection.execute(MART).fetchall()
        claimed = connection.execute(CLAIMED).fetchone()
    assert [row[:3] for row in rows] == [
        ("old", 3, "dominated"),
        ("cheap", 4, "frontier"),
        ("dear", 5, "frontier"),
    ]
    assert {row[3:] for row in rows} == {claimed}


def test_a_replay_from_the_command_line_stands_in_the_history_of_the_asset(
    warehouse: DatabaseUrl, maintenance_url: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The instance's environment goes away with the test, and its database.
    for name in ("DAGSTER_HOME", "LQO_DAGSTER_URL", "LQO_START", "LQO_HOME", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")
    settings = Settings(home=tmp_path / "home", database_url=warehouse.libpq())
    whatif = Lqo(settings.home, warehouse, verb="whatif")
    with connect(warehouse) as connection:
        set_prices(connection)
        land(connection, questions(4))
    asked = ("--from", DAY, "--to", DAY, "--models", "cheap", "--max-usd", "5", "--max-tokens", "200")
    beside = dagster_database_name(settings, warehouse)
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, beside, owner=warehouse.user)
    try:
        with judge_endpoint_in_thread(play({"cheap": 4})) as endpoint:
            at = ("--base-url", endpoint.url, "--judge", JUDGE)
            without = whatif("replay", *asked, *at)
            assert not settings.dagster.exists()
            settings.dagster.mkdir()
            (settings.dagster / "dagster.yaml").touch()
            done = whatif("replay", *asked, *at)
        assert (without.code, without.err, done.code, done.err) == (0, "", 0, "")
        monkeypatch.setenv("LQO_DAGSTER_URL", warehouse.with_database(beside).sqlalchemy("psycopg2"))
        with open_instance(settings) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey(["analysis", "counterfactual"]))
        assert event is not None
        assert event.asset_materialization is not None
        told = event.asset_materialization.metadata
        assert told["outcome"].value == "finished"
        assert done.out.endswith(f"page {told['report'].value}\n")
        assert "<svg" in Path(str(told["report"].value)).read_text()
    finally:
        with connect(maintenance_url, autocommit=True) as maintenance:
            drop_database(maintenance, beside)
