"""The dashboards' JSON: what the code writes, what Grafana's own schema allows, what the docs tell."""

import json
import re
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from reports.grafana.__main__ import written
from reports.grafana.catalogue import DASHBOARDS
from reports.grafana.model import Panel
from reports.grafana.page import MARTS, PROMETHEUS
from reports.grafana.queries import FOLDER, panel_queries

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
UIDS = list(PAGES)


def test_the_committed_pages_are_what_the_code_writes() -> None:
    committed = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")}
    assert committed == written(), "run python -m reports.grafana"


@pytest.mark.parametrize("uid", UIDS)
def test_grafanas_schema_knows_every_field_and_value(uid: str) -> None:
    register_default_plugins()
    read = Dashboard.from_json(PAGES[uid])
    assert lost(PAGES[uid], json.loads(JSONEncoder().encode(read)), uid) == []
    assert wrong_values(read, uid) == []


def test_the_schema_finds_a_field_and_a_value_that_are_wrong() -> None:
    register_default_plugins()
    wrong = json.loads(json.dumps(PAGES["lqo-overview"]))
    wrong["panels"][1]["options"]["colorMod"] = "value"
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(wrong)))
    assert lost(wrong, read, "") == [".panels[1].options.colorMod"]
    wrong = json.loads(json.dumps(PAGES["lqo-overview"]))
    wrong["panels"][1]["gridPos"]["w"] = "wide"
    assert wrong_values(Dashboard.from_json(wrong), "") != []


@pytest.mark.parametrize("uid", UIDS)
def test_panels_lie_beside_one_another_and_have_a_title_and_a_question(uid: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PAGES[uid]["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"].endswith(("?", ".", "!")), panel["title"]
    assert len({panel["id"] for panel in PAGES[uid]["panels"]}) == len(PAGES[uid]["panels"])


@pytest.mark.parametrize("uid", UIDS)
def test_every_page_says_how_new_it_is_and_which_versions_made_it(uid: str) -> None:
    assert PAGES[uid]["panels"][0]["title"] == "As of"


@pytest.mark.parametrize("uid", UIDS)
def test_a_query_uses_the_variables_of_its_page_and_every_variable_is_used(uid: str) -> None:
    variables = {variable["name"] for variable in PAGES[uid]["templating"]["list"]}
    used = set(re.findall(r"\$\{(?!__)(\w+)", json.dumps(PAGES[uid]["panels"])))
    assert used == variables


def test_links_lead_to_pages_that_are_there() -> None:
    led_to = set(re.findall(r"/d/([\w-]+)\?", json.dumps(PAGES)))
    assert led_to == {"lqo-calls"}
    assert led_to <= set(PAGES)
    assert re.search(r"\$\{api\}/v1/calls/\$\{__value.raw\}", json.dumps(PAGES["lqo-calls"]))


def test_no_query_reads_single_calls_over_more_than_two_days() -> None:
    readers = [query for query in panel_queries() if re.search(r"marts\.(failing_)?calls\b", query.text)]
    assert {query.panel for query in readers} == {"Newest failed calls", "Calls", "One call"}
    for query in readers:
        assert "interval '48 hours'" in query.text or "using (started_at, call_id)" in query.text


def test_dbt_knows_what_the_pages_read() -> None:
    read = {
        name
        for query in panel_queries()
        for name in re.findall(r"(?:from|join) marts\.(\w+)\b(?!\()", query.text)
    }
    exposures = yaml.safe_load((REPOSITORY / "dbt_project" / "models" / "exposures.yml").read_text())[
        "exposures"
    ]
    (dashboards,) = [each for each in exposures if each["name"] == "dashboards"]
    assert dashboards["depends_on"] == [f"ref('{name}')" for name in sorted(read)]


def test_provisioning_names_the_data_sources_and_the_folder_of_the_pages() -> None:
    folder = REPOSITORY / "infra" / "grafana" / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "lqo.yaml").read_text())["datasources"]
    assert [{"type": source["type"], "uid": source["uid"]} for source in sources] == [MARTS, PROMETHEUS]
    assert sources[0]["user"] == "lqo_bi"
    (provider,) = yaml.safe_load((folder / "dashboards" / "lqo.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "${LQO_GRAFANA_DASHBOARDS}"
    docs = (REPOSITORY / "docs" / "dashboards.md").read_text("utf-8")
    for name in re.findall(r"\$\{(\w+)\}", json.dumps([sources, provider])):
        assert f"`{name}`" in docs


def test_the_docs_table_has_every_panel_with_its_question() -> None:
    docs = (REPOSITORY / "docs" / "dashboards.md").read_text("utf-8")
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            if isinstance(panel, Panel):
                assert f"| {panel.title} | {panel.asks} |" in docs, panel.title


def lost(ours: Any, read: Any, path: str) -> list[str]:
    """What the schema did not take over; it adds defaults of its own."""
    if isinstance(ours, dict) and isinstance(read, dict):
        gone = [f"{path}.{name}" for name in ours if name not in read]
        # Of lines on charts the schema knows the query of Grafana's own kind only, and drops any other.
        kept = [name for name in ours if name in read and name != "annotations"]
        return gone + [each for name in kept for each in lost(ours[name], read[name], f"{path}.{name}")]
    if isinstance(ours, list) and isinstance(read, list) and len(ours) == len(read):
        pairs = enumerate(zip(ours, read, strict=True))
        return [each for place, pair in pairs for each in lost(*pair, f"{path}[{place}]")]
    return [] if ours == read else [path]


def wrong_values(value: Any, path: str) -> list[str]:
    """Where a decoded object holds what its annotations do not allow.

    The schema decodes no annotations (lines on charts): it types their query as Grafana's own kind only.
    """
    found: list[str] = []
    hints = get_type_hints(type(value).__init__)
    for name, hint in hints.items():
        if name in ("return", "annotations"):
            continue
        held = getattr(value, name)
        found += [] if _fits(held, hint) else [f"{path}.{name}: {held!r}"]
        for place, each in enumerate(held if isinstance(held, list) else [held]):
            if hasattr(type(each), "from_json") and not hasattr(each, "data"):
                found += wrong_values(each, f"{path}.{name}[{place}]")
    return found


def _fits(value: Any, hint: Any) -> bool:  # noqa: PLR0911
    if hint is Any or hint is object:
        return True
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list) and all(_fits(each, arguments[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(each, arguments[1]) for each in value.values())
    if isinstance(hint, type) and issubclass(hint, Enum):
        return value in [each.value for each in hint] or isinstance(value, hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) or (isinstance(value, dict) and hasattr(hint, "from_json"))
