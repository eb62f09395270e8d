"""All rules as a person lists them."""

from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from evaluators.rules.written.definition import PRIORITIES
from evaluators.rules.written.files import Problem
from evaluators.rules.written.looks import RefusedError
from orchestration.rules.rule_sets import version_text
from orchestration.rules.written_rule_rows import RuleRow, rule_rows
from orchestration.rules.written_rules import ROWS_NAME, read_row, rules_in_force

LIST_COLUMNS = ("rule", "version", "state", "kind", "severity", "priority", "label", "source", "description")
Row = tuple[str, str, str, str, str, int, str, str, str]


def list_rules(
    connection: Connection[TupleRow], *, folder: Path | None
) -> tuple[list[Row], tuple[Problem, ...]]:
    """A row a rule in force, and one for the newest version where that is not in force; and what cannot be
    read."""
    in_force = rules_in_force(connection, folder=folder)
    running = {(rule.name, version_text(rule)) for rule in in_force.rules}
    rows = [_shipped(rule) for rule in RULES]
    problems: list[Problem] = []
    newest = {row.id: row for row in rule_rows(connection)}
    for row in rule_rows(connection):
        is_running = (row.id, row.version) in running
        if not is_running and newest[row.id] != row:
            continue
        try:
            rows.append(_written(row, is_running=is_running))
        except RefusedError as error:
            problems.append(Problem(ROWS_NAME, row.id, str(error)))
    known = {str(problem) for problem in in_force.problems}
    return sorted(rows), (*in_force.problems, *(each for each in problems if str(each) not in known))


def _shipped(rule: Rule) -> Row:
    priority = PRIORITIES[rule.severity]
    version = version_text(rule)
    return (
        rule.name,
        version,
        "in force",
        "shipped",
        rule.severity,
        priority,
        rule.name,
        "shipped",
        rule.description,
    )


def _written(row: RuleRow, *, is_running: bool) -> Row:
    definition = read_row(row).definition
    off = "draft" if row.status in ("draft", "shadow") and row.is_enabled else "off"
    return (
        row.id,
        row.version,
        "in force" if is_running else off,
        definition.kind,
        definition.severity,
        definition.effective_priority,
        definition.shown_label,
        row.source,
        definition.description,
    )
