"""Written rules in the warehouse: from file or table into force and out of it; what bad ones cannot do."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from evaluators.rules.base import Rule
from evaluators.rules.written.files import read_text
from ingest.settings import Settings
from orchestration.rules.rule_sets import register_rule_set, version_text
from orchestration.rules.scoring import ScoreResult, score_window
from orchestration.rules.written_rule_rows import TABLE, add_rule, disable_rule
from orchestration.rules.written_rule_trial import try_rule
from orchestration.rules.written_rules import InForce, rules_folder, rules_in_force
from orchestration.versions.promoting import promote
from orchestration.versions.registry import find_version, register_version
from tests.orchestration.rules.fake_rules import Steered, rule
from tests.orchestration.seeding import DAY, DAY_START, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]

NUMBERS = "{id: numbers, regex: {pattern: 'question 1'}, priority: 900, label: one, severity: info}"
SHIPPED = (rule("steady", Steered(fails=pl.lit(value=True))),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "rules"
    made.mkdir()
    return made


@pytest.fixture
def write(folder: Path) -> Callable[..., None]:
    """Write a file of rules, each in YAML's flow style."""

    def put(*rules: str, name: str = "a.yaml") -> None:
        text = "rules:\n" + "".join(f"  - {each}\n" for each in rules)
        (folder / name).write_text(text, encoding="utf-8")

    return put


@pytest.fixture
def run(connection: Connection, folder: Path) -> Callable[[], tuple[ScoreResult, InForce]]:
    """Score the day by the rules in force."""

    def score() -> tuple[ScoreResult, InForce]:
        in_force = rules_in_force(connection, folder=folder, shipped=SHIPPED)
        return score_window(connection, [DAY], rules=in_force.rules), in_force

    return score


def seed(connection: Connection, n: int = 12) -> None:
    with connection.transaction():
        add_calls(connection, n)


def newest(connection: Connection) -> set[tuple[str, ...]]:
    """What the calls fail by the current rule set."""
    found = rows(
        connection,
        "select distinct failed from evaluation.rule_results inner join evaluation.rule_sets as sets"
        " on sets.id = rule_set_version and sets.current_to is null",
    )
    return {tuple(failed) for (failed,) in found}


def test_a_file_of_rules_is_in_force_at_the_next_run_and_only_what_is_new_runs(
    connection: Connection, write: Callable[..., None], run: Callable[[], tuple[ScoreResult, InForce]]
) -> None:
    seed(connection)
    run()
    SHIPPED[0].check.seen.clear()  # type: ignore[attr-defined]
    write(NUMBERS, "{id: short, length: {max: 1000}}")

    result, _ = run()

    assert (result.n_scored, result.n_carried) == (0, 12)
    assert SHIPPED[0].check.seen == []  # type: ignore[attr-defined]
    assert newest(connection) == {("steady",), ("numbers", "steady")}
    versions = rows(
        connection,
        "select id, kind, priority, label, severity, source from evaluation.rules order by id",
    )
    assert versions == [
        ("numbers", "regex", 900, "one", "info", "a.yaml"),
        ("short", "length", 200, "short", "warning", "a.yaml"),
    ]
    severities = rows(connection, "select evaluator, severity from evaluation.evaluator_versions order by 1")
    assert severities == [("numbers", "info"), ("short", "warning"), ("steady", "warning")]


def test_the_same_files_again_change_nothing(
    connection: Connection, write: Callable[..., None], run: Callable[[], tuple[ScoreResult, InForce]]
) -> None:
    seed(connection)
    write(NUMBERS)
    run()
    state = (
        "select xmin::text from evaluation.rules"
        " union all select xmin::text from evaluation.evaluator_versions"
        " union all select xmin::text from evaluation.rule_sets order by 1"
    )
    before = rows(connection, state)

    result, _ = run()

    assert result.n_rows == 0
    assert rows(connection, state) == before


def test_a_changed_rule_is_a_new_version_and_a_deleted_or_disabled_one_retires(
    connection: Connection, write: Callable[..., None], run: Callable[[], tuple[ScoreResult, InForce]]
) -> None:
    seed(connection)
    write(NUMBERS, "{id: short, length: {max: 1000}}")
    run()
    write(NUMBERS.replace("question 1", "question 2"), "{id: short, length: {max: 1000}, enabled: false}")

    result, _ = run()

    assert (result.n_scored, result.n_carried) == (0, 12)
    states = (
        "select evaluator, status, count(*) from evaluation.evaluator_versions group by 1, 2 order by 1, 2"
    )
    assert rows(connection, states) == [
        ("numbers", "active", 1),
        ("numbers", "retired", 1),
        ("short", "retired", 1),
        ("steady", "active", 1),
    ]
    write("{id: short, length: {max: 1000}}")
    run()
    assert [state for state in rows(connection, states) if state[1] == "active"] == [
        ("short", "active", 1),
        ("steady", "active", 1),
    ]


def test_the_rule_of_the_highest_priority_labels_the_call(
    connection: Connection, write: Callable[..., None], run: Callable[[], tuple[ScoreResult, InForce]]
) -> None:
    seed(connection)
    write(NUMBERS, "{id: answered, regex: {pattern: question}, priority: 10, severity: critical}")
    run()
    labels = rows(
        connection, "select label, evaluator, count(*) from evaluation.call_labels group by 1, 2 order by 1"
    )
    # `steady` is shipped with severity warning (200); twelve calls, three of which say "question 1".
    assert labels == [("one", "numbers", 3), ("steady", "steady", 9)]


def test_a_rule_that_cannot_be_read_stops_neither_the_others_nor_its_own_last_version(
    connection: Connection,
    folder: Path,
    write: Callable[..., None],
    run: Callable[[], tuple[ScoreResult, InForce]],
) -> None:
    seed(connection)
    write(NUMBERS, "{id: short, length: {max: 1}}")
    run()
    write(NUMBERS.replace("question 1", "question ("), "{id: short, length: {max: 2}}")
    (folder / "b.yaml").write_text("rules: [")
    write("{id: steady, length: {max: 3}}", "{id: third, length: {max: 3}}", name="c.yaml")

    result, in_force = run()

    assert result.n_carried == 12
    assert {each.definition.id for each in in_force.written} == {"numbers", "short", "third"}
    said = sorted(map(str, in_force.problems))
    assert said[0].startswith("a.yaml: rule numbers: regex.pattern: not RE2")
    assert said[1].startswith("b.yaml: not YAML")
    assert said[2] == "c.yaml: rule steady: id: is the name of a shipped rule"
    assert ("numbers", "short", "steady", "third") in newest(connection)


@pytest.mark.parametrize("how", ["is gone", "is a file", "may not be listed"])
def test_without_the_folder_its_rules_stay_in_force(
    connection: Connection,
    folder: Path,
    write: Callable[..., None],
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(NUMBERS)
    register_rule_set(connection, rules_in_force(connection, folder=folder, shipped=SHIPPED).rules)
    if how == "may not be listed":
        monkeypatch.setattr(Path, "iterdir", _refuse)
    else:
        (folder / "a.yaml").unlink()
        folder.rmdir()
        if how == "is a file":
            folder.write_text("")

    names = [each.name for each in rules_in_force(connection, folder=folder, shipped=SHIPPED).rules]

    assert names == ["steady", "numbers"]


def _refuse(path: Path) -> None:
    raise PermissionError(13, "Permission denied", str(path))


def test_a_draft_of_a_file_waits_and_the_version_before_it_goes_on(
    connection: Connection,
    folder: Path,
    write: Callable[..., None],
    run: Callable[[], tuple[ScoreResult, InForce]],
) -> None:
    seed(connection)
    write(NUMBERS)
    run()
    write(NUMBERS.replace("question 1", "question 2").replace("{id", "{draft: true, id"))
    run()
    assert newest(connection) == {("steady",), ("numbers", "steady")}
    drafts = rows(connection, "select version from evaluation.evaluator_versions where status = 'draft'")
    version = find_version(connection, f"numbers@{drafts[0][0]}")

    promote(connection, version, from_day=DAY_START.date(), is_bridge_waived=True, are_gaps_waived=True)
    result, in_force = run()

    assert result.n_carried == 12
    assert [version_text(each.rule) for each in in_force.written] == [version.version]


def test_a_rule_of_the_table_is_in_force_from_its_promotion_until_it_is_disabled(
    connection: Connection, run: Callable[[], tuple[ScoreResult, InForce]]
) -> None:
    seed(connection)
    read = read_text(f"rules: [{NUMBERS}]".encode(), source="x").rules[0]
    text = add_rule(connection, read.rule, definition=read.definition, source=TABLE)
    assert [each.name for each in run()[1].rules] == ["steady"]

    version = find_version(connection, f"numbers@{text}")
    promote(connection, version, from_day=DAY_START.date(), is_bridge_waived=True, are_gaps_waived=True)
    assert run()[0].n_carried == 12
    assert newest(connection) == {("steady",), ("numbers", "steady")}

    assert disable_rule(connection, "numbers")
    assert not disable_rule(connection, "numbers")
    assert [each.name for each in run()[1].rules] == ["steady"]
    assert newest(connection) == {("steady",)}


def test_a_row_that_cannot_be_read_is_said_and_passed_over(
    connection: Connection, run: Callable[[], tuple[ScoreResult, InForce]]
) -> None:
    seed(connection)
    version = register_version(connection, evaluator="odd", version="1", kind="rule")
    with connection.transaction():
        connection.execute(
            "insert into evaluation.rules (id, version, definition, kind, priority, label, source)"
            " values ('odd', %s, %s, 'regex', 1, 'odd', 'table')",
            (version.version, Jsonb({"id": "odd", "regex": {"pattern": 3}})),
        )

    result, in_force = run()

    assert result.n_rows == 12
    assert [str(problem) for problem in in_force.problems] == [
        "evaluation.rules: rule odd: regex.pattern: expected str, got int"
    ]


def test_a_definition_whose_code_has_changed_is_another_version_and_stays_in_force(
    connection: Connection, run: Callable[[], tuple[ScoreResult, InForce]]
) -> None:
    seed(connection)
    run()
    read = read_text(f"rules: [{NUMBERS}]".encode(), source="x").rules[0]
    text = add_rule(connection, read.rule, definition=read.definition, source=TABLE)
    promote(
        connection,
        find_version(connection, f"numbers@{text}"),
        from_day=DAY_START.date(),
        is_bridge_waived=True,
        are_gaps_waived=True,
    )
    with connection.transaction():
        # As an older release would have recorded it.
        connection.execute("update evaluation.rules set version = '1.0.0+0123456789ab'")
        connection.execute(
            "update evaluation.evaluator_versions set version = '1.0.0+0123456789ab'"
            " where evaluator = 'numbers'"
        )

    for _ in range(2):
        _, in_force = run()
        assert [version_text(each.rule) for each in in_force.written] == [text]

    states = (
        "select version, status from evaluation.evaluator_versions where evaluator = 'numbers' order by id"
    )
    assert rows(connection, states) == [("1.0.0+0123456789ab", "retired"), (text, "active")]


def test_a_name_of_a_judge_is_refused(
    connection: Connection, write: Callable[..., None], run: Callable[[], tuple[ScoreResult, InForce]]
) -> None:
    register_version(connection, evaluator="numbers", version="1", kind="judge")
    write(NUMBERS)
    _, in_force = run()
    assert in_force.written == ()
    assert str(in_force.problems[0]).startswith("a.yaml: rule numbers: id: numbers is a judge already")


def test_the_folder_is_that_of_the_environment_or_of_the_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert rules_folder(settings, {}) == tmp_path / "rules"
    assert rules_folder(settings, {"LQO_RULES": str(tmp_path / "other")}) == tmp_path / "other"


def test_a_trial_tells_hits_and_changes_and_writes_nothing(connection: Connection) -> None:
    seed(connection, 40)
    with connection.transaction():
        add_calls(connection, 2, seed="other", model="small", output="question 3", start=DAY_START)
    one, other = _numbers("question 1"), _numbers("question [13]")

    trial = try_rule(connection, other, in_force=one, window=DAY, n_examples=2)

    assert (trial.n_landed, trial.n, trial.n_failed, trial.n_scored) == (42, 42, 24, 42)
    assert trial.pairs == {("pass", "pass"): 18, ("pass", "fail"): 13, ("fail", "fail"): 11}
    assert trial.by_model == {"gpt-4o-mini": (40, 22), "small": (2, 2)}
    assert len(trial.failures) == len(trial.changes) == 2
    assert {example.before for example in trial.changes} == {"pass"}
    assert count(connection, "evaluation.rule_results") == count(connection, "evaluation.rules") == 0


def test_a_sample_is_the_same_calls_every_time(connection: Connection) -> None:
    seed(connection, 400)
    trials = [
        try_rule(connection, _numbers("question 1"), in_force=None, window=DAY, sample=100) for _ in range(2)
    ]
    assert 50 < trials[0].n < 160
    assert trials[0].verdicts == trials[1].verdicts
    assert trials[0].failures == trials[1].failures


def _numbers(pattern: str) -> Rule:
    text = "rules: [" + NUMBERS.replace("question 1", pattern) + "]"
    return read_text(text.encode(), source="x").rules[0].rule
