"""The asset `evaluation/bridges`: what a day has to say of versions, with a page, and twice the same."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from evaluators.versions.bridge import build_bridge
from ingest.database.url import DatabaseUrl
from orchestration.assets.bridges import bridges
from orchestration.resources import Warehouse
from orchestration.versions.shadow_days import put_shadow_days
from reports.bridge import BridgePage, write_bridge_page
from tests.orchestration.seeding import DAY, add_calls, rows
from tests.orchestration.versions.scoring import Connection, score, version

TODAY = DAY.start.date()


@pytest.fixture
def home(tmp_path: Path, warehouse: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LQO_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", warehouse.libpq())
    return tmp_path


def materialize(day: date) -> dict[str, Any]:
    with dg.instance_for_test() as instance:
        done = dg.materialize(
            [bridges],
            partition_key=day.isoformat(),
            resources={"warehouse": Warehouse()},
            instance=instance,
        )
        [event] = done.asset_materializations_for_node("evaluation__bridges")
        return {name: value.value for name, value in event.metadata.items()}


def test_a_day_with_a_shadow_gets_its_bridge_and_page(connection: Connection, home: Path) -> None:
    with connection.transaction():
        add_calls(connection, 60)
    one, other = version(connection, "v1"), version(connection, "v2")
    score(connection, one, [4], start=DAY.start, end=DAY.end)
    score(connection, other, [3, 4], start=DAY.start, end=DAY.end)
    put_shadow_days(connection, other, first_day=TODAY, last_day=TODAY)

    found = [materialize(TODAY) for _ in range(2)]

    assert [each["dagster/row_count"] for each in found] == [1, 1]
    page = Path(found[0]["report"])
    assert page == home / "reports" / "bridge-tone-v1-v2.html"
    assert "60 shared calls" in page.read_text()
    kept = rows(connection, "select n_shared, shift, n_flips from evaluation.bridges")
    assert kept == [(60, -0.5, 30)]


def test_a_day_without_anything_to_compare_makes_nothing(connection: Connection, home: Path) -> None:
    with connection.transaction():
        add_calls(connection, 3)
    version(connection, "v1")

    found = materialize(TODAY)

    assert (found["dagster/row_count"], found["rule_set_counts"]) == (0, 0)
    assert not (home / "reports").exists()


def test_pages_of_evaluators_in_other_scripts_do_not_replace_one_another(tmp_path: Path) -> None:
    names = ("품질", "안전", "../품질", "tone/../x" + "y" * 80)
    pages = [
        write_bridge_page(
            BridgePage(
                evaluator=name,
                from_version="v1",
                to_version="v2",
                first_day=TODAY,
                last_day=TODAY,
                bridge=build_bridge([]),
                n_shared=0,
                n_only_from=0,
                n_only_to=0,
                examples=(),
            ),
            out_dir=tmp_path,
        )
        for name in names
    ]
    assert sorted(tmp_path.iterdir()) == sorted(pages)
    assert len({*pages}) == len(names)
    assert all(page.parent == tmp_path and len(page.name) < 255 for page in pages)
