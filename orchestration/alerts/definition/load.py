"""The rules in force: those that are shipped, and the user's own, which go before them by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from orchestration.alerts.definition.checks import find_faults
from orchestration.alerts.definition.model import Rule, RuleFile
from orchestration.alerts.definition.problems import FileProblemsError, Problem
from orchestration.alerts.definition.validate import find_problems
from orchestration.alerts.definition.yaml_text import MOST_BYTES, Node, YamlError, read_node

SHIPPED = Path(__file__).resolve().parents[1] / "shipped"
# Where alerts go, in the same folder.
NOT_RULES = ("channels.yaml", "channels.yml")
MOST_RULES = 1_000


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """A rule and where it stands; `node` knows the lines of its fields."""

    rule: Rule
    path: Path
    source: str
    node: Node
    origin: Literal["shipped", "user"]
    replaces_shipped: bool = False

    @property
    def line(self) -> int:
        return self.node.line

    def problem(self, field: str, reason: str) -> Problem:
        """What is wrong with a field of it, in the field's line or that of the nearest one above it."""
        return Problem(self.source, _line(self.node, field), f"{self.rule.name}.{field}".rstrip("."), reason)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules that could be read, replaced ones left out, and what could not, in one line each."""

    rules: tuple[LoadedRule, ...]
    problems: tuple[Problem, ...]

    @property
    def in_force(self) -> list[Rule]:
        return [one.rule for one in self.rules if one.rule.enabled]


def load_rules(folder: Path | None = None) -> list[Rule]:
    """The rules in force, shipped ones and those of `folder`; raises FileProblemsError with all faults."""
    found = load_rule_set(folder)
    if found.problems:
        raise FileProblemsError(found.problems)
    return found.in_force


def load_rule_set(folder: Path | None = None) -> RuleSet:
    """The same without raising: a rule that is wrong is a problem, and the others stand.

    A shipped rule whose replacement is wrong stays in force: a slip of the pen must not end an alarm.
    """
    shipped = _load(rule_files(SHIPPED), origin="shipped")
    users = load_path(folder) if folder is not None else RuleSet((), ())
    names = {one.rule.name for one in shipped.rules}
    own = {one.rule.name: _replacing(one, one.rule.name in names) for one in users.rules}
    kept = [own.pop(one.rule.name, one) for one in shipped.rules]
    return RuleSet((*kept, *own.values()), (*shipped.problems, *users.problems))


def load_path(path: Path) -> RuleSet:
    """The rules of one file, or of a folder's files, as the user's; a folder that is empty has none."""
    try:
        return _load(rule_files(path) if path.is_dir() else [path], origin="user")
    except OSError as error:
        return RuleSet((), (Problem(str(path), 0, "", error.strerror or "cannot be read"),))


def rule_files(folder: Path) -> list[Path]:
    """A folder's .yaml and .yml files by name, without hidden ones and that of the channels."""
    found = (path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    return sorted(path for path in found if not path.name.startswith(".") and path.name not in NOT_RULES)


def _load(paths: Sequence[Path], *, origin: Literal["shipped", "user"]) -> RuleSet:
    rules: dict[str, LoadedRule] = {}
    problems: list[Problem] = []
    for path in paths:
        for found in read_file(path, origin=origin):
            if isinstance(found, Problem):
                problems.append(found)
            elif (first := rules.setdefault(found.rule.name, found)) is not found:
                problems.append(
                    found.problem("name", f"is taken: {first.source}:{first.line} has it already")
                )
    return RuleSet(tuple(rules.values()), tuple(problems))


def read_file(path: Path, *, origin: Literal["shipped", "user"]) -> Iterator[LoadedRule | Problem]:
    """The rules of one file, and what is wrong with it."""
    source = path.name if origin == "shipped" else str(path)
    try:
        with path.open("rb") as file:
            root = read_node(file.read(MOST_BYTES + 1))
    except OSError as error:
        yield Problem(source, 0, "", error.strerror or "cannot be read")
        return
    except YamlError as error:
        yield Problem(source, error.line, "", error.reason)
        return
    entries = root.fields.get("rules") if root.fields else None
    if entries is None or entries.items is None:
        yield from find_problems(root, RuleFile, source=source)
        return
    if len(entries.items) > MOST_RULES:
        yield Problem(source, entries.line, "rules", f"{len(entries.items):,} rules, {MOST_RULES:,} at most")
        return
    head = Node(root.line, fields={**(root.fields or {}), "rules": Node(entries.line, items=[])})
    yield from find_problems(head, RuleFile, source=source)
    for number, node in enumerate(entries.items):
        yield from _read_rule(node, number, path=path, source=source, origin=origin)


def _read_rule(
    node: Node, number: int, *, path: Path, source: str, origin: Literal["shipped", "user"]
) -> Iterator[LoadedRule | Problem]:
    problems = [*find_problems(node, Rule, source=source, field=_named(node, number))]
    if problems:
        yield from problems
        return
    loaded = LoadedRule(msgspec.convert(node.plain, Rule), path, source, node, origin)
    faults = [loaded.problem(field, reason) for field, reason in find_faults(loaded.rule)]
    yield from faults or [loaded]


def _named(node: Node, number: int) -> str:
    """The rule's name where it has one, else its place in the file."""
    name = node.fields["name"].plain if node.fields and "name" in node.fields else None
    is_name = isinstance(name, str) and 0 < len(name) <= 63 and name.isprintable()
    return str(name) if is_name else f"rules[{number}]"


def _line(node: Node, field: str) -> int:
    for part in field.split("."):
        below = node.fields.get(part) if node.fields else None
        if below is None:
            break
        node = below
    return node.line


def _replacing(one: LoadedRule, is_replacing: bool) -> LoadedRule:
    return replace(one, replaces_shipped=is_replacing)
