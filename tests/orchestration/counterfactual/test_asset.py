"""The asset `analysis/counterfactual`."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.assets.counterfactual import counterfactual
from orchestration.resources import Warehouse
from tests.judge_endpoint import JudgeEndpoint, judge_endpoint_in_thread
from tests.orchestration.comparison.playing import JUDGE
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
