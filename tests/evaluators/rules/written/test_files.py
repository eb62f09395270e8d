"""Rules in YAML: what can be read is, and each thing that cannot is one line with file, rule and field."""

from pathlib import Path

import pytest

from evaluators.rules.identity import rule_hash
from evaluators.rules.written.definition import definition_text, read_definition
from evaluators.rules.written.files import dump_rule, read_file, read_folder, read_text
from evaluators.rules.written.rule import definition_of, rule_of, written_rule

GOOD = """
rules:
  - id: no_competitors
    version: 1.2.0
    description: The answer names a competitor.
    severity: critical
    priority: 40
    label: competitor
    scope: {models: ["gpt-4*"], prompts: [greeting], projects: [shop]}
    when: length(output) > 10
    regex: {pattern: '(?i)\\b(acme|globex)\\b'}
  - {id: short_enough, length: {unit: words, max: 200}}
  - {id: quick, latency: {max_ms: 5000, max_ttft_ms: 800}}
  - {id: shaped, json_schema: {type: object, required: [name]}}
  - {id: polite, expression: "not contains(lower(output), 'please')"}
  - {id: two_words, instruction: "length_constraints:number_words", arguments: {num_words: 2}}
"""


def test_every_kind_of_rule_is_read(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(GOOD, encoding="utf-8")
    reading = read_file(tmp_path / "all.yaml")

    assert reading.problems == ()
    kinds = [read.definition.kind for read in reading.rules]
    assert kinds == ["regex", "length", "latency", "json_schema", "expression", "instruction"]
    first = reading.rules[0]
    assert (first.rule.name, first.rule.version, first.rule.severity) == (
        "no_competitors",
        "1.2.0",
        "critical",
    )
    assert first.source == "all.yaml"
    assert set(first.rule.requires) == {"output_text", "requested_model", "prompt_name", "project"}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{regex: {pattern: a}}", "x.yaml: rule number 1: id: is missing"),
        ("{id: Nope, regex: {pattern: a}}", "x.yaml: rule Nope: id: "),
        ('{id: "a\\n", regex: {pattern: a}}', "x.yaml: rule a : id: "),
        ("{id: a, regex: {pattern: a}, version: '١.٠.٠'}", "x.yaml: rule a: version: "),
        ("{id: no, regex: {pattern: a}}", "x.yaml: rule number 1: id: expected str, got bool"),
        ("{id: a, regex: {pattern: a}, surplus: 1}", "x.yaml: rule a: surplus: there is no such field"),
        ("{id: a, regex: {patern: a}}", "x.yaml: rule a: regex."),
        ("{id: a, regex: {pattern: '('}}", "x.yaml: rule a: regex.pattern: not RE2: missing ): ("),
        ("{id: a, regex: {pattern: '(?=a)'}}", "x.yaml: rule a: regex.pattern: not RE2"),
        ("{id: a, regex: {pattern: ''}}", "x.yaml: rule a: regex.pattern: a pattern has 1 to 1000"),
        ("{id: a, regex: {pattern: a}, severity: bad}", "x.yaml: rule a: severity: "),
        ("{id: a, regex: {pattern: a}, priority: high}", "x.yaml: rule a: priority: expected int"),
        ("{id: a, regex: {pattern: a}, version: 1.0}", "x.yaml: rule a: version: expected str, got float"),
        ("{id: a, regex: {pattern: a}, scope: {models: gpt}}", "x.yaml: rule a: scope.models: "),
        ("{id: a, regex: {pattern: a}, when: 'length('}", "x.yaml: rule a: when: not an expression"),
        ("{id: a, regex: {pattern: a}, length: {max: 1}}", "x.yaml: rule a: a rule has exactly one of"),
        ("{id: a}", "x.yaml: rule a: a rule has exactly one of"),
        ("{id: a, length: {}}", "x.yaml: rule a: length: give min, max or both"),
        ("{id: a, length: {min: 3, max: 2}}", "x.yaml: rule a: length.min: 3 is more than the max of 2"),
        ("{id: a, latency: {}}", "x.yaml: rule a: latency: give max_ms"),
        ("{id: a, regex: {pattern: a}, arguments: {}}", "x.yaml: rule a: arguments: only an instruction"),
        ("{id: a, json_schema: {type: nothing}}", "x.yaml: rule a: json_schema: not a schema"),
        ("{id: a, json_schema: {$ref: 'http://evil.example/s'}}", "x.yaml: rule a: json_schema: "),
        ("{id: a, instruction: nope}", "x.yaml: rule a: instruction: there is no building block 'nope'"),
        ("just a text", "x.yaml: rule number 1: a rule is a mapping of fields"),
    ],
)
def test_a_bad_rule_is_one_line_and_its_neighbours_are_read(rule: str, said: str) -> None:
    text = f"rules:\n  - {rule}\n  - {{id: neighbour, length: {{max: 5}}}}\n"
    reading = read_text(text.encode(), source="x.yaml")

    assert [read.definition.id for read in reading.rules] == ["neighbour"]
    (problem,) = map(str, reading.problems)
    assert problem.startswith(said)
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"rules: [", "x.yaml: not YAML: "),
        (b"- a\n", "x.yaml: a file of rules is a mapping with the list `rules` and nothing else"),
        (b"rules: {}\n", "x.yaml: a file of rules is a mapping"),
        (b"rules: []\nother: 1\n", "x.yaml: a file of rules is a mapping"),
        (b"rules: []\nrules: []\n", "x.yaml: not YAML: 'rules' stands twice at line 2 column 1"),
        (b"\xff\xfe", "x.yaml: not UTF-8"),
        (b"a: &a [x]\nb: *a\n", "x.yaml: not YAML: aliases are not taken at line 2 column 4"),
        (b"rules: !!python/object/apply:os.system ['id']\n", "x.yaml: not YAML: could not determine"),
        (b"[" * 3_000, "x.yaml: not YAML: "),
        (b"#" * 1_000_001, "x.yaml: more than 1,000,000 bytes"),
    ],
)
def test_a_bad_file_is_one_line(data: bytes, said: str) -> None:
    reading = read_text(data, source="x.yaml")
    assert reading.rules == ()
    (problem,) = map(str, reading.problems)
    assert problem.startswith(said)
    assert "\n" not in problem


def test_a_folder_is_read_by_name_and_an_id_counts_once(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("rules: [{id: one, length: {max: 1}}, {id: two, length: {max: 1}}]")
    (tmp_path / "a.yaml").write_text("rules: [{id: one, length: {max: 9}}]")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / ".hidden.yaml").write_text("rules: [")
    (tmp_path / "note.txt").write_text("rules: [")

    reading = read_folder(tmp_path)

    assert [(read.definition.id, read.source) for read in reading.rules] == [
        ("one", "a.yaml"),
        ("two", "b.yml"),
    ]
    assert list(map(str, reading.problems)) == [
        "b.yml: rule one: id: stands in a.yaml already",
        "folder.yaml: Is a directory",
    ]


def test_a_changed_definition_is_another_version_and_switching_off_is_none() -> None:
    given = {"id": "a", "regex": {"pattern": "x"}}
    versions = {
        rule_hash(written_rule(read_definition(given | change)))
        for change in (
            {},
            {"regex": {"pattern": "y"}},
            {"priority": 3},
            {"scope": {"models": ["m"]}},
            {"when": "is_streamed"},
        )
    }
    assert len(versions) == 5
    same = [
        definition_text(read_definition(given | change))
        for change in ({}, {"enabled": False}, {"draft": True})
    ]
    assert len(set(same)) == 1


def test_a_rule_travels_as_its_definition_and_comes_back_the_same(tmp_path: Path) -> None:
    for read in read_text(GOOD.encode(), source="x").rules:
        again = rule_of(definition_of(read.rule) or "")
        assert rule_hash(again) == rule_hash(read.rule)
        dumped = read_text(dump_rule(read.definition).encode(), source="x")
        assert rule_hash(dumped.rules[0].rule) == rule_hash(read.rule)
