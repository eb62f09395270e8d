"""`lqo labels` and `lqo golden` as people type them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.cli import app
from orchestration.commands.errors import UserError
from tests.orchestration.calibration.seeded import add_distinct_calls, add_version, judge


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warehouse: DatabaseUrl) -> None:
    monkeypatch.setenv("LQO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", warehouse.libpq())


def lqo(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_labels_are_imported_and_the_judge_compared_at_once(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    with connect(warehouse) as connection:
        calls = add_distinct_calls(connection, 80)
        version = add_version(connection)
        judge(connection, version, {call: 5 if n % 2 else 1 for n, call in enumerate(calls)})
    path = tmp_path / "labels.csv"
    lines = [f"{call},{'pass' if n % 2 else 'fail'}" for n, call in enumerate(calls)]
    path.write_text("\n".join(["call_id,label", *lines, "no-id,pass", ""]))
    first = lqo("labels", "import", str(path), "--evaluator", "helpfulness", "--rater", "ann")
    assert first.exit_code == 0, first.output
    assert "landed 80  unchanged 0  rejected 1" in first.stdout
    assert "helpfulness 1.0.0+a: ok" in first.stdout
    assert "kappa 1.000" in first.stdout
    assert "line 82: bad_field" in first.stderr
    again = lqo("labels", "import", str(path), "--evaluator", "helpfulness", "--rater", "ann")
    assert "landed 0  unchanged 80  rejected 1" in again.stdout
    assert "helpfulness 1.0.0+a: ok  agreement 1.000" in lqo("labels", "status").stdout


def test_a_file_of_nothing_but_bad_rows_fails(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"call_id": "x"}\n')
    done = lqo("labels", "import", str(path))
    assert done.exit_code == 1
    assert "rejected 1" in done.stdout


def test_a_file_without_our_header_is_bad_usage(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,verdict\n1,good\n")
    error = lqo("labels", "import", str(path)).exception
    assert isinstance(error, UserError)
    assert error.code == 2
    assert "header" in str(error)


def test_no_judges_is_said(warehouse: DatabaseUrl) -> None:
    assert "no judges" in lqo("labels", "status").stdout


def test_a_golden_set_is_made_shown_and_shrunk(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(json.dumps({"prompt": "Q?", "answer": "안녕 🙂", "expected": 4}))
    assert "core: 1 new, 0 there before" in lqo("golden", "add", "core", "--file", str(path)).stdout
    assert "core: 0 new, 1 there before" in lqo("golden", "add", "core", "--file", str(path)).stdout
    assert "core: 1 items, last judged never" in lqo("golden", "list").stdout
    item = lqo("golden", "list", "core").stdout
    assert "expected 4  안녕 🙂" in item
    assert "1 taken out" in lqo("golden", "remove", "core", item.split()[0]).stdout
    assert "no enabled judge" in lqo("golden", "run").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("golden", "add", "core"),
        ("golden", "add", "core", "not-an-id"),
        ("golden", "remove", "core", "abcdef"),
        ("golden", "add", "core", "--file", "/nowhere"),
    ],
)
def test_what_cannot_be_is_bad_usage_in_one_line(words: tuple[str, ...]) -> None:
    error = lqo(*words).exception
    assert isinstance(error, UserError)
    assert error.code == 2
    assert "\n" not in str(error)
