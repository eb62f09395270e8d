"""Bridges in the warehouse: what both versions have scored, read from wherever it stands."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.rules.scoring import score_window
from orchestration.versions.bridge_report import to_json, write_page
from orchestration.versions.bridging import BridgeReport, bridge_versions
from orchestration.versions.due import count_rule_sets, due_pairs
from orchestration.versions.registry import Version, VersionError, find_version, list_versions
from orchestration.versions.shadow_days import put_shadow_days
from orchestration.windows import day_window
from tests.orchestration.rules.fake_rules import Steered, rule
from tests.orchestration.seeding import DAY, DAY_START, add_calls, rows
from tests.orchestration.versions.scoring import score, version

Connection = psycopg.Connection[TupleRow]
TODAY = DAY_START.date()
EVERY_THIRD = pl.col("output_text").str.extract(r"question (\d+)").cast(pl.Int32) % 3 == 0
HOSTILE = "<script>alert('평가')</script>"


@pytest.fixture
def versions(connection: Connection) -> tuple[Version, Version]:
    """300 calls of two models: the first version has scored 280 of them, the second 290."""
    with connection.transaction():
        add_calls(connection, 150, seed="a", model="one")
        add_calls(connection, 150, seed="b", model="two", start=DAY_START + timedelta(hours=5))
    one, other = version(connection, "v1"), version(connection, "v2")
    score(connection, one, [*[4.0] * 14, None], start=DAY.start, end=DAY.end, explanation="fine")
    score(connection, other, [*[3.0] * 29, None], start=DAY.start, end=DAY.end, explanation=HOSTILE)
    return one, other


def bridge(connection: Connection, versions: tuple[Version, Version]) -> BridgeReport:
    return bridge_versions(connection, before=versions[0], after=versions[1], first_day=TODAY, last_day=TODAY)


def test_only_calls_that_both_have_scored_count(
    connection: Connection, versions: tuple[Version, Version]
) -> None:
    report = bridge(connection, versions)

    # Every 15th is unscored by the first, every 30th by both: none by the second alone.
    assert (report.n_shared, report.n_only_from, report.n_only_to) == (280, 0, 10)
    assert report.bridge.shift.value == -1
    assert report.bridge.flips == (("4", "3", 280),)
    assert {(s.name, s.n) for s in report.bridge.strata} == {("one", 140), ("two", 140)}


def test_a_bridge_is_kept_once_and_again_changes_nothing(
    connection: Connection, versions: tuple[Version, Version]
) -> None:
    bridge(connection, versions)
    kept = rows(connection, "select * from evaluation.bridges")
    strata = rows(connection, "select * from evaluation.bridge_strata order by stratum")
    assert len(kept) == 1
    assert len(strata) == 2

    bridge(connection, versions)

    assert rows(connection, "select * from evaluation.bridges") == kept
    assert rows(connection, "select * from evaluation.bridge_strata order by stratum") == strata
    assert rows(connection, "select n_shared, shift, mean_from, mean_to from evaluation.bridges") == [
        (280, -1.0, 4.0, 3.0)
    ]
    assert rows(
        connection, "select count(*) from evaluation.bridges where shift_low = 'NaN' or kappa = 'NaN'"
    ) == [(0,)]


def test_no_text_of_anybody_is_kept_with_the_figures(
    connection: Connection, versions: tuple[Version, Version]
) -> None:
    report = bridge(connection, versions)
    assert report.explained
    [(details,)] = rows(connection, "select details::text from evaluation.bridges")
    assert "script" not in details and "fine" not in details


def test_the_page_stands_alone_and_runs_nothing(
    connection: Connection, versions: tuple[Version, Version], tmp_path: Path
) -> None:
    report = bridge(connection, versions)
    path = write_page(report, out_dir=tmp_path)
    text = path.read_text()

    assert "<script" not in text and "&lt;script&gt;alert(&#x27;평가&#x27;)" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "280" in text and "1 lower" in text
    # It quotes people, so it is its owner's alone.
    assert path.stat().st_mode & 0o077 == 0
    assert write_page(report, out_dir=tmp_path) == path
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_the_json_says_what_the_page_says(connection: Connection, versions: tuple[Version, Version]) -> None:
    found = json.loads(json.dumps(to_json(bridge(connection, versions)), allow_nan=False))
    assert found["shift"]["value"] == -1
    assert found["n_flips"] == 280
    assert found["kappa"]["value"] in (None, 0)
    assert {example["explanation_to"] for example in found["examples"]} == {HOSTILE}


def test_versions_of_two_evaluators_have_no_bridge(connection: Connection) -> None:
    one, other = version(connection, "1"), version(connection, "1", evaluator="safety")
    for pair in ((one, other), (one, one)):
        with pytest.raises(VersionError, match="a bridge leads between two versions of one evaluator"):
            bridge_versions(connection, before=pair[0], after=pair[1])


def test_a_shadow_is_bridged_over_its_own_days(
    connection: Connection, versions: tuple[Version, Version]
) -> None:
    put_shadow_days(connection, versions[1], first_day=TODAY, last_day=TODAY)

    report = bridge_versions(connection, before=versions[0], after=versions[1])

    assert (report.first_day, report.last_day, report.n_shared) == (TODAY, TODAY, 280)
    assert [(a.version, b.version, is_shadow) for a, b, is_shadow in due_pairs(connection, DAY)] == [
        ("v1", "v2", True)
    ]
    assert due_pairs(connection, day_window(TODAY + timedelta(days=1))) == []


def test_rules_are_bridged_through_the_results_of_their_sets(connection: Connection) -> None:
    """The strict rule fails every third call by its number; a rule that did not change is left alone."""
    with connection.transaction():
        add_calls(connection, 240)
    strict = Steered(fails=EVERY_THIRD)
    score_window(connection, [DAY], rules=[rule("refusal", Steered()), rule("slow", Steered())])
    score_window(connection, [DAY], rules=[rule("refusal", strict, version="2.0.0"), rule("slow", Steered())])
    before, after = list_versions(connection, evaluator="refusal")

    report = bridge_versions(connection, before=before, after=after, first_day=TODAY, last_day=TODAY)

    assert (report.n_shared, report.n_only_from, report.n_only_to) == (240, 0, 0)
    assert report.bridge.flips == (("pass", "fail", 80),)
    assert report.bridge.shift.value == pytest.approx(-1 / 3)
    assert len(list_versions(connection, evaluator="slow")) == 1


def test_the_failing_share_of_two_rule_sets_is_counted_by_day_and_model(connection: Connection) -> None:
    with connection.transaction():
        add_calls(connection, 90, seed="a", model="one")
        add_calls(connection, 30, seed="b", model="two", start=DAY_START + timedelta(hours=3))
    score_window(connection, [DAY], rules=[rule("refusal", Steered())])
    assert count_rule_sets(connection, DAY) == 0
    score_window(connection, [DAY], rules=[rule("refusal", Steered(fails=EVERY_THIRD), version="2.0.0")])

    for _ in range(2):
        assert count_rule_sets(connection, DAY) == 2
        counts = rows(
            connection,
            "select day, model, n_shared, n_failed_from, n_failed_to, n_flips"
            " from evaluation.rule_set_bridges order by model",
        )
        assert counts == [(TODAY, "one", 90, 0, 30, 30), (TODAY, "two", 30, 0, 10, 10)]


def test_a_release_of_rules_is_a_pair_of_its_day(connection: Connection) -> None:
    with connection.transaction():
        add_calls(connection, 5)
    score_window(connection, [DAY], rules=[rule("refusal", Steered())])
    score_window(connection, [DAY], rules=[rule("refusal", Steered(), version="2.0.0")])
    now = day_window(datetime.now(UTC).date())

    assert [(a.version[:5], b.version[:5], s) for a, b, s in due_pairs(connection, now)] == [
        ("1.0.0", "2.0.0", False)
    ]
    assert find_version(connection, "refusal@2").status == "active"
