"""Rules in YAML files: what can be read is, and what cannot is said in one line each."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evaluators.rules.base import Rule
from evaluators.rules.written.definition import Definition, read_definition
from evaluators.rules.written.looks import RefusedError
from evaluators.rules.written.rule import written_rule

MOST_BYTES = 1_000_000
MOST_RULES = 1_000


@dataclass(frozen=True, slots=True)
class Problem:
    """What cannot be read, in which file and rule (its id, or its place in the file; empty: the file)."""

    source: str
    rule: str
    reason: str

    def __str__(self) -> str:
        where = f"{self.source}: rule {self.rule}" if self.rule else self.source
        return " ".join(f"{where}: {self.reason}".split())


@dataclass(frozen=True, slots=True)
class Read:
    """A rule as it was written, made into one that runs, and the file's name (or where else it stands)."""

    definition: Definition
    rule: Rule
    source: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a folder or file holds. `unread` are the files of which not everything could be read."""

    rules: tuple[Read, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def unread(self) -> frozenset[str]:
        return frozenset(problem.source for problem in self.problems)


def read_folder(folder: Path) -> Reading:
    """The rules of all .yaml and .yml files of a folder, by name; an id that comes again is a problem."""
    paths = sorted(
        path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and path.name[0] != "."
    )
    return merged(read_file(path) for path in paths)


def read_file(path: Path) -> Reading:
    """The rules of one file."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        return Reading(problems=(Problem(path.name, "", error.strerror or "cannot be read"),))
    return read_text(data, source=path.name)


def read_text(data: bytes, *, source: str) -> Reading:
    """The rules of a YAML text: a mapping with the list `rules`."""
    try:
        return merged(_read_rule(raw, n, source=source) for n, raw in enumerate(_entries(data), start=1))
    except RefusedError as error:
        return Reading(problems=(Problem(source, "", str(error)),))


def merged(readings: Iterable[Reading]) -> Reading:
    """Several readings as one; of two rules with one id the first counts."""
    rules: dict[str, Read] = {}
    problems: list[Problem] = []
    for reading in readings:
        problems += reading.problems
        for read in reading.rules:
            first = rules.setdefault(read.definition.id, read)
            if first is not read:
                reason = f"id: stands in {first.source} already"
                problems.append(Problem(read.source, read.definition.id, reason))
    return Reading(tuple(rules.values()), tuple(problems))


def dump_rule(definition: Definition) -> str:
    """A rule as the YAML of a file of its own."""
    import msgspec

    fields = msgspec.to_builtins(definition)
    return yaml.safe_dump({"rules": [fields]}, allow_unicode=True, sort_keys=False, width=100)


def _read_rule(raw: object, number: int, *, source: str) -> Reading:
    given = raw.get("id") if isinstance(raw, dict) else None
    name = given if isinstance(given, str) and given else f"number {number}"
    try:
        definition = read_definition(raw)
        return Reading(rules=(Read(definition, written_rule(definition), source),))
    except RefusedError as error:
        return Reading(problems=(Problem(source, name[:80], str(error)),))


def _entries(data: bytes) -> list[Any]:
    if len(data) > MOST_BYTES:
        raise RefusedError("", f"more than {MOST_BYTES:,} bytes")
    try:
        document = yaml.load(data.decode("utf-8-sig"), Loader=_Loader)
    except UnicodeDecodeError:
        raise RefusedError("", "not UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RefusedError("", f"not YAML: {_yaml_reason(error)}") from None
    if document is None:
        return []
    entries = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(document) > 1:
        raise RefusedError("", "a file of rules is a mapping with the list `rules` and nothing else")
    if len(entries) > MOST_RULES:
        raise RefusedError("rules", f"{len(entries):,} rules, {MOST_RULES:,} at most")
    return entries


def _yaml_reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem or error.context} at line {mark.line + 1} column {mark.column + 1}"
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


class _Loader(yaml.SafeLoader):
    """YAML without aliases, which can be made to mean a billion things, and without doubled keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are not taken", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                said = f"{key.value[:80]!r} stands twice"
                raise yaml.MarkedYAMLError(problem=said, problem_mark=key.start_mark)
            seen |= {key.value} if isinstance(key.value, str) else set()
        return super().construct_mapping(node, deep=deep)
