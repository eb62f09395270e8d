"""Rule files: what is right is read, and everything that is wrong is said at once, with line and field."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.settings import Settings
from orchestration import weekly
from orchestration.alerts.definition.checks import BUILT_IN_GROUPS, ENGINE_METRICS, RESERVED
from orchestration.alerts.definition.folder import alerts_folder, rules_folder
from orchestration.alerts.definition.load import load_path, load_rule_set, load_rules
from orchestration.alerts.definition.model import QuietHours, RuleFile
from orchestration.alerts.definition.problems import FileProblemsError
from orchestration.alerts.definition.schema import SCHEMA, rule_schema
from orchestration.alerts.definition.validate import read_struct
from orchestration.alerts.definition.words import condition_words, metric_words, window_words
from orchestration.alerts.delivery import trial
from orchestration.alerts.engine import evaluator_changes
from orchestration.alerts.engine.own_rules import OWN_RULES
from orchestration.alerts.reading.catalogue import BUILT_IN

RULE = """\
version: 1
rules:
  - name: high_cost
    summary: 비용이 높다 💸
    why: A reason.
    metric: {type: mart, mart: calls_hourly, kind: sum, unit: usd, numerator: amount_usd, n: n_priced}
    window: {type: rolling, span: 24h}
    condition: {type: threshold, above: 100}
    group_by: [project]
    severity: warning
    owner: me
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str | bytes, name: str = "mine.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return put


def problems_of(path: Path) -> list[str]:
    return [str(one).removeprefix(f"{path}") for one in load_path(path).problems]


def test_a_rule_is_read_as_it_stands(write: Write) -> None:
    (rule,) = load_path(write(RULE)).in_force

    assert (rule.name, rule.summary, rule.group_by) == ("high_cost", "비용이 높다 💸", ["project"])
    assert metric_words(rule) == "sum(amount_usd) of calls_hourly"
    assert (window_words(rule), condition_words(rule)) == ("24h", "above 100")


def test_shipped_rules_are_without_a_fault_and_in_force() -> None:
    found = load_rule_set()

    assert found.problems == ()
    assert len(found.in_force) == len(found.rules) >= 25
    assert {"failing_share", "judge_grades", "median_score", "http_error_rate", "pending_calls"} <= {
        rule.name for rule in found.in_force
    }
    assert all(rule.limits and rule.runbook and rule.owner for rule in found.in_force)


def test_all_errors_of_a_file_are_told_at_once_with_their_lines(write: Write) -> None:
    text = RULE.replace("severity: warning", "severity: urgent").replace("above: 100", "above: lots")
    text = text.replace("    owner: me\n", "    ownr: me\n").replace("type: rolling", "type: rollin")

    assert problems_of(write(text)) == [
        ":7: high_cost.window.type: must be one of rolling, calendar, not 'rollin'",
        ":8: high_cost.condition.above: must be a number, not text",
        ":10: high_cost.severity: must be one of critical, warning, info, not 'urgent'",
        ":11: high_cost.ownr: is unknown: did you mean owner?",
        ":3: high_cost.owner: is missing",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("above: 100", "above: 1, below: 0", ":8: high_cost.condition: needs exactly one of above and below"),
        ("above: 100", "resolve: 1", ":8: high_cost.condition: needs exactly one of above and below"),
        ("above: 100", "above: 1, resolve: 2", ":8: high_cost.condition.resolve: must be at most above"),
        ("span: 24h", "span: 1 day", ":7: high_cost.window.span: must be a whole number and s,"),
        (
            "    owner: me\n",
            "    owner: me\n    minimum_n: -3\n",
            ":12: high_cost.minimum_n: must be a whole number >= 0",
        ),
        ("kind: sum", "kind: share", ":6: high_cost.metric.denominator: is missing: a share needs it"),
        ("kind: sum", "kind: percentile", ":6: high_cost.metric.percentile: is missing"),
        ("numerator: amount_usd", "numerator: ''", ":6: high_cost.metric.numerator: is empty"),
        ("[project]", "[project, project]", ":9: high_cost.group_by: names a column twice"),
        ("[project]", "[Project]", ":9: high_cost.group_by[0]: must be a name of at most 63"),
        (
            "{type: rolling, span: 24h}",
            "{type: calendar, period: day, time_zone: Seoul}",
            ":7: high_cost.window.time_zone: 'Seoul' is no time zone of the IANA list, as Asia/Seoul",
        ),
        (
            "{type: threshold, above: 100}",
            "{type: seasonal}",
            ":3: high_cost.minimum_n: is missing: a seasonal condition says little of a handful of calls",
        ),
        (
            "{type: threshold, above: 100}",
            "{type: drop, baseline: 7d, effect: 0.1}",
            ":6: high_cost.metric: a drop is of a share or a mean over a mart",
        ),
        (
            "{type: threshold, above: 100}",
            "{type: change, against: 7d}",
            ":8: high_cost.condition: needs relative, absolute or both: the least change that is told",
        ),
        (
            "{type: threshold, above: 100}",
            "{type: burn_rate, period: day, long: 2h, short: 6h, factor: 3, budget: 5}",
            ":8: high_cost.condition.short: must be shorter than long",
        ),
        (
            "numerator: amount_usd",
            "numerator: \"set_config('role', 'x', true)::int\"",
            ":6: high_cost.metric.numerator: may not hold set_config",
        ),
        (
            "    owner: me\n",
            "    owner: me\n    quiet_hours: {start: 22:00, end: 22:00, time_zone: Asia/Seoul}\n",
            ":12: high_cost.quiet_hours.end: must differ from start",
        ),
    ],
)
def test_fields_that_do_not_go_together_are_refused(write: Write, old: str, new: str, problem: str) -> None:
    assert old in RULE
    told = problems_of(write(RULE.replace(old, new)))

    assert any(each.startswith(problem) for each in told), told


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ": it is empty"),
        ("a: 1\n", ":1: a: is unknown"),
        ("- 1\n", ":1: must be a mapping of names to values"),
        ("version: 2\nrules: []\n", ":1: version: must be 1, not 2"),
        ("version: 1\nrules:\n\t- name: x\n", ":3: not YAML: found character that cannot start any token"),
        ("version: 1\nversion: 1\n", ":2: version stands twice, first in line 1"),
        ("version: 1\nrules: &all []\n", ":2: anchors and aliases are not taken"),
        ("version: 1\nrules: *all\n", ":2: anchors and aliases are not taken"),
        ("version: !!python/object:os.system 1\n", ":1: tags such as"),
        ("version: 1\n---\nversion: 1\n", ":2: not YAML: but found another document"),
        ("version: 1\nrules: " + "[" * 10_000, ":2: nested deeper than 24"),
        (b"version: 1\n# \xff\xfe\n", ":2: not UTF-8"),
        (b"a: \x00", ": not YAML: unacceptable character"),
        ("#" * 1_000_001, ": more than 1,000,000 bytes"),
        ("a: [" + "1, " * 110_000 + "]", ":1: more than 100,000 values"),
        ("version: 1\nrules: [{name: x}, 7]\n", ":2: rules[1]: must be a mapping of names to values"),
    ],
)
def test_hostile_yaml_is_refused_in_a_line(write: Write, text: str | bytes, problem: str) -> None:
    told = problems_of(write(text))

    assert any(each.startswith(problem) for each in told), told
    assert all("\n" not in each and len(each) <= 300 for each in told)


def test_words_of_yaml_1_1_are_words() -> None:
    found = read_struct(b"{start: 22:00, end: '06:30:00', days: [mon]}", QuietHours, source="x")

    assert (found.start.hour, found.end.minute) == (22, 30)
    with pytest.raises(FileProblemsError, match=r"x:1: time_zone: must be text, not true or false"):
        read_struct(b"{start: 22:00, end: 23:00, time_zone: true}", QuietHours, source="x")


def test_a_users_rule_replaces_the_shipped_one_and_can_turn_it_off(tmp_path: Path, write: Write) -> None:
    write(RULE.replace("high_cost", "failing_share"))
    write(RULE.replace("high_cost", "secret_leak") + "    enabled: false\n", "off.yml")
    write("channels: {}\n", "channels.yaml")
    write(RULE, ".hidden.yaml")

    rules = {rule.name: rule for rule in load_rules(tmp_path)}

    assert rules["failing_share"].owner == "me"
    assert "secret_leak" not in rules
    assert "high_cost" not in rules
    assert len(rules) == len(load_rules()) - 1


def test_a_wrong_replacement_leaves_the_shipped_rule_in_force(tmp_path: Path, write: Write) -> None:
    write(RULE.replace("high_cost", "secret_leak").replace("warning", "urgent"))

    found = load_rule_set(tmp_path)

    assert [rule.owner for rule in found.in_force if rule.name == "secret_leak"] == ["security"]
    assert len(found.problems) == 1
    with pytest.raises(FileProblemsError, match=r"mine.yaml:10: secret_leak.severity"):
        load_rules(tmp_path)


def test_a_name_stands_once(tmp_path: Path, write: Write) -> None:
    write(RULE, "a.yaml")
    write(RULE, "b.yaml")

    found = load_rule_set(tmp_path)

    (problem,) = found.problems
    assert (
        str(problem) == f"{tmp_path}/b.yaml:3: high_cost.name: is taken: {tmp_path}/a.yaml:3 has it already"
    )
    assert [rule.name for rule in found.in_force].count("high_cost") == 1


def test_a_folder_that_was_named_must_be_there(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    named = {"LQO_ALERTS": str(tmp_path / "no")}

    assert alerts_folder(settings, {}) is None
    assert rules_folder(settings, {}) == tmp_path / "alerts"
    (problem,) = load_rule_set(alerts_folder(settings, named)).problems
    assert str(problem) == f"{tmp_path}/no: No such file or directory"


def test_the_schema_for_editors_is_that_of_the_rules() -> None:
    assert SCHEMA.read_text() == rule_schema()
    assert json.loads(rule_schema())["$ref"].endswith(RuleFile.__name__)


def test_names_of_alerts_that_no_file_writes_are_taken(write: Write) -> None:
    taken = {rule.name for rule in OWN_RULES} | {evaluator_changes.RULE, weekly.RULE, trial.RULE}

    assert set(RESERVED) == taken
    assert problems_of(write(RULE.replace("high_cost", "run_failure"))) == [
        ":3: run_failure.name: is the name of alerts that no file writes"
    ]


def test_every_built_in_metric_has_a_reader_or_is_the_engines() -> None:
    assert set(BUILT_IN_GROUPS) == {*BUILT_IN, *ENGINE_METRICS}
