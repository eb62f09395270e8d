"""What dbt says of the marts stands in Metabase afterwards, and a second run changes nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dbtmetabase._models
import pytest

from ingest.settings import Settings
from orchestration.bi.descriptions import push_descriptions
from reports.metabase.client import MetabaseError
from tests.orchestration.bi.metabase_server import KEY, FakeMetabase, fake_metabase


@pytest.fixture
def settings(parsed_project: Path) -> Settings:
    return Settings(home=parsed_project.parent)


@pytest.fixture
def told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMetabase]:
    """A Metabase that knows the database and has found its tables, without any description."""
    # It looks whether Metabase has found all tables every five seconds.
    monkeypatch.setattr(dbtmetabase._models, "_SYNC_PERIOD", 0)
    with fake_metabase() as running:
        running.kept["database"] = {1: {"id": 1, "name": "LQO marts"}}
        running.tables = list(found_tables(settings.dbt_target / "manifest.json"))
        yield running


def found_tables(manifest: Path) -> Iterator[dict[str, Any]]:
    nodes = json.loads(manifest.read_text())["nodes"].values()
    marts = [node for node in nodes if node["resource_type"] == "model" and node["schema"] == "marts"]
    for number, node in enumerate(sorted(marts, key=lambda each: each["name"]), start=1):
        fields = [
            {
                "id": 10_000 * number + place,
                "name": column,
                "display_name": column,
                "description": None,
                "visibility_type": "normal",
                "semantic_type": None,
                "fk_target_field_id": None,
            }
            for place, column in enumerate(node["columns"])
        ]
        yield {
            "id": number,
            "name": node["name"],
            "display_name": node["name"],
            "schema": "marts",
            "description": None,
            "visibility_type": None,
            "fields": fields,
        }


def test_tables_and_columns_of_the_marts_get_their_descriptions(
    settings: Settings, told: FakeMetabase
) -> None:
    push_descriptions(settings, server=told.url, api_key=KEY, database="LQO marts")
    (calls,) = [table for table in told.tables if table["name"] == "calls"]
    assert calls["description"].startswith("One row per call")
    assert all(field["description"] for table in told.tables for field in table["fields"])
    told.requests.clear()
    push_descriptions(settings, server=told.url, api_key=KEY, database="LQO marts")
    assert told.asked("PUT", ".*") == []


def test_an_unknown_database_and_a_wrong_key_are_one_line(settings: Settings, told: FakeMetabase) -> None:
    for key, database in ((KEY, "nowhere"), ("mb_wrong", "LQO marts")):
        with pytest.raises(MetabaseError) as error:
            push_descriptions(settings, server=told.url, api_key=key, database=database)
        assert "\n" not in str(error.value)
        assert "mb_wrong" not in str(error.value)
