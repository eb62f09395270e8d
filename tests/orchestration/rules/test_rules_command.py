"""`lqo rules` as a person meets it: drafts, trials, promotion, and one line for each mistake."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.rules.scoring import score_window
from orchestration.rules.written_rules import rules_in_force
from orchestration.windows import day_window
from tests.orchestration.seeding import add_calls
from tests.orchestration.test_cli_input import lqo

NUMBERS = "rules:\n  - {id: numbers, regex: {pattern: 'question 1'}, label: one}\n"


@pytest.fixture
def today() -> datetime:
    """The midnight before this test, which may begin on another day than the run."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def landed(warehouse: DatabaseUrl, today: datetime) -> DatabaseUrl:
    """Thirty calls at the start of yesterday and twelve at the start of today."""
    with connect(warehouse) as connection, connection.transaction():
        add_calls(connection, 30, start=today - timedelta(days=1))
        add_calls(connection, 12, start=today, seed="today", model="small")
    return warehouse


def test_a_rule_goes_from_draft_through_trial_into_force_and_out(
    landed: DatabaseUrl, today: datetime, tmp_path: Path
) -> None:
    home, file = tmp_path / "home", tmp_path / "mine.yaml"
    file.write_text(NUMBERS)

    added = lqo(landed, home, "rules", "add", str(file))
    tried = lqo(landed, home, "rules", "test", "numbers", "--days", "2")
    promoted = lqo(landed, home, "rules", "promote", "numbers")
    again = lqo(landed, home, "rules", "promote", "numbers")

    assert (added.returncode, added.stderr) == (0, b"")
    assert added.stdout.startswith(b"numbers 1.0.0+")
    assert b"numbers 1.0.0+" in tried.stdout
    assert b": 42 of 42 calls from" in tried.stdout
    assert b"fails 14 of 42 scored calls: 33.33%" in tried.stdout
    assert b"gpt-4o-mini: 11 of 30 scored calls" in tried.stdout
    assert b"no version of it is in force" in tried.stdout
    assert b"10 characters from character 15 on" in tried.stdout
    assert b"is in force from" in promoted.stdout
    assert b"is in force already" in again.stdout
    assert next(row for row in listed(landed, home) if row["rule"] == "numbers")["state"] == "in force"
    with connect(landed) as connection:
        in_force = rules_in_force(connection, folder=None)
        assert score_window(connection, [day_window(today.date())], rules=in_force.rules).n_rows == 12
        failed = connection.execute(
            "select count(*) from evaluation.call_labels where label = 'one'"
        ).fetchone()
    assert failed == (3,)

    off = lqo(landed, home, "rules", "disable", "numbers")

    assert off.stdout == b"numbers judges no further call\n"
    assert next(row for row in listed(landed, home) if row["rule"] == "numbers")["state"] == "off"


def test_a_trial_of_a_file_shows_what_changes_and_keeps_nothing(landed: DatabaseUrl, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "rules").mkdir(parents=True)
    (home / "rules" / "a.yaml").write_text(NUMBERS)
    (tmp_path / "new.yaml").write_text(NUMBERS.replace("question 1", "question [12]"))

    tried = lqo(landed, home, "rules", "test", str(tmp_path / "new.yaml"), "--days", "2", "--examples", "1")

    assert (tried.returncode, tried.stderr) == (0, b"")
    assert b"in force, which fails 14 of 42" in tried.stdout
    assert b"pass \xe2\x86\x92 fail: 12" in tried.stdout
    with connect(landed) as connection:
        known = connection.execute("select source from evaluation.rules").fetchall()
        assert connection.execute("select count(*) from evaluation.rule_results").fetchone() == (0,)
    assert known == [("a.yaml",)]


def test_an_edited_rule_is_a_new_draft_and_the_old_version_stays(landed: DatabaseUrl, tmp_path: Path) -> None:
    home, file, editor = tmp_path / "home", tmp_path / "mine.yaml", tmp_path / "an editor"
    file.write_text(NUMBERS)
    lqo(landed, home, "rules", "add", str(file))
    lqo(landed, home, "rules", "promote", "numbers")

    def edit(script: str) -> tuple[int, bytes, bytes]:
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
        done = lqo(landed, home, "rules", "edit", "numbers", EDITOR=f"'{editor}'", VISUAL="")
        return done.returncode, done.stdout, done.stderr

    assert edit("true")[:2] == (0, b"nothing changed\n")
    code, _, said = edit("echo 'rules: [{id: numbers, regex: {pattern: \"(\"}}]' > $1")
    assert code == 2
    assert b"what was written: rule numbers: regex.pattern: not RE2" in said
    assert b"nothing was saved" in said
    assert edit("false")[0] == 1
    code, out, _ = edit("sed -i 's/question 1/question 2/' \"$1\"")
    assert (code, out.endswith(b" is a draft\n")) == (0, True)
    states = sorted(row["state"] for row in listed(landed, home) if row["rule"] == "numbers")
    assert states == ["draft", "in force"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "MISSING.yaml"], "there is no file MISSING.yaml"),
        (["add", "bad.yaml"], "bad.yaml: 1 of its rules cannot be read; nothing was done"),
        (["add", "empty.yaml"], "empty.yaml: there are no rules in it"),
        (["add", "shipped.yaml"], "shipped.yaml: rule pii: id: is the name of a shipped rule"),
        (["test", "nope"], "there is no written rule 'nope'"),
        (["test", "pii", "--from", "tomorrow"], "--from must be a day such as 2026-11-01"),
        (["test", "pii", "--from", "2026-11-03", "--to", "2026-11-02"], "--from 2026-11-03 is after --to"),
        (["promote", "nope"], "there is no written rule 'nope'"),
        (["disable", "filed"], "filed stands in the file a.yaml; say `enabled: false` there"),
        (["edit", "filed"], "filed stands in the file a.yaml; edit it there"),
    ],
)
def test_a_mistake_is_one_line_and_bad_usage(
    warehouse: DatabaseUrl, tmp_path: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    (home / "rules").mkdir(parents=True)
    (home / "rules" / "a.yaml").write_text("rules: [{id: filed, length: {max: 3}}]")
    (tmp_path / "bad.yaml").write_text("rules: [{id: a, length: {max: 3}}, {id: b, length: {max: many}}]")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "shipped.yaml").write_text("rules: [{id: pii, length: {max: 3}}]")
    if "filed" in arguments:
        lqo(warehouse, home, "rules", "list", PYTHONPATH=str(Path(__file__).resolve().parents[3]))

    done = lqo(warehouse, home, "rules", *arguments, PYTHONPATH=str(Path(__file__).resolve().parents[3]))

    assert done.returncode == 2
    lines = done.stderr.decode().splitlines()
    assert lines[-1].startswith(f"lqo: {said}")
    if arguments == ["add", "bad.yaml"]:
        assert lines[0] == "lqo: bad.yaml: rule b: length.max: expected int | null, got str"
        with connect(warehouse) as connection:
            assert connection.execute("select count(*) from evaluation.rules").fetchone() == (0,)
    else:
        assert len(lines) == 1


def test_a_file_that_cannot_be_read_is_said_by_the_list_which_shows_the_rest(
    warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "rules").mkdir(parents=True)
    (home / "rules" / "a.yaml").write_text("rules: [{id: good, length: {max: 3}}, {id: bad, length: 3}]")

    done = lqo(warehouse, home, "rules", "list")

    assert done.returncode == 0
    assert done.stderr.startswith(b"lqo: a.yaml: rule bad: length: ")
    assert done.stderr.count(b"\n") == 1
    assert b"good" in done.stdout
    assert b"secret_leak" in done.stdout


def listed(url: DatabaseUrl, home: Path) -> list[dict[str, object]]:
    done = lqo(url, home, "rules", "list", "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
