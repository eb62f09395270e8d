"""The rules in force: the shipped ones, those of the folder and those of the table `evaluation.rules`.

A rule of the folder is in force as it stands there (a draft waits for `lqo rules promote`); one of the table
is in force from its promotion on. What cannot be read is said and passed over: the version that was in force
before stays so, and every other rule runs.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from evaluators.rules.written.definition import read_definition
from evaluators.rules.written.files import Problem, Read, Reading, read_folder
from evaluators.rules.written.looks import RefusedError
from evaluators.rules.written.rule import written_rule
from ingest.settings import Settings
from orchestration.rules.optional_rules import shipped_rules
from orchestration.rules.rule_sets import version_text
from orchestration.rules.written_rule_rows import TABLE, RuleRow, add_rule, as_mapping, rule_rows
from orchestration.versions.registry import VersionError

ROWS_NAME = "evaluation.rules"
SHIPPED_NAME = "id: is the name of a shipped rule"


@dataclass(frozen=True, slots=True)
class InForce:
    """The rules to run, and one line for each thing that could not be read."""

    rules: tuple[Rule, ...]
    written: tuple[Read, ...] = ()
    problems: tuple[Problem, ...] = ()


def rules_folder(settings: Settings, environment: Mapping[str, str] = os.environ) -> Path:
    """`LQO_RULES`, else `rules` in the home."""
    given = environment.get("LQO_RULES")
    return Path(given).expanduser().absolute() if given else settings.home / "rules"


def rules_in_force(
    connection: Connection[TupleRow], *, folder: Path | None, shipped: Sequence[Rule] | None = None
) -> InForce:
    """Read the folder, record what is new in it, and say which rules run.

    Where the folder is not there (another machine's, perhaps) or cannot be listed, the rules that it last
    held stay in force. Nothing raises for a bad rule: it is among the problems.
    """
    listed, trouble = _read(folder)
    rows = rule_rows(connection)
    shipped = shipped_rules() if shipped is None else shipped
    names = {rule.name for rule in shipped}
    reading = _recorded(connection, _without(names, listed or Reading()), rows=rows)
    from_files, waiting = _of_files(reading, rows=rows)
    off = {read.definition.id for read in reading.rules if not read.definition.enabled}
    kept, unreadable = _of_rows(
        rows,
        taken={read.definition.id for read in from_files} | off,
        shipped=names,
        # A file that is not all read may hold what it held before; a draft leaves its forerunner in force.
        is_kept=lambda row: listed is None or row.source in (TABLE, *reading.unread) or row.id in waiting,
    )
    _record_anew(connection, kept, rows=rows)
    written = (*from_files, *kept)
    problems = (*trouble, *reading.problems, *unreadable)
    return InForce((*shipped, *(read.rule for read in written)), tuple(written), problems)


def read_row(row: RuleRow) -> Read:
    """A stored version made into a rule. Raises RefusedError."""
    definition = read_definition(as_mapping(row.definition))
    return Read(definition, written_rule(definition), row.source)


def written_rule_at(connection: Connection[TupleRow], *, name: str, version: str) -> Rule | None:
    """The written rule of a version in `evaluator_versions`, drafts included; None where there is none.

    Raises RefusedError for one that cannot be read any more.
    """
    row = next((row for row in rule_rows(connection) if (row.id, row.version) == (name, version)), None)
    return None if row is None else read_row(row).rule


def _read(folder: Path | None) -> tuple[Reading | None, tuple[Problem, ...]]:
    """What the folder holds; None where nobody can say."""
    if folder is None or not folder.is_dir():
        return None, ()
    try:
        return read_folder(folder), ()
    except OSError as error:
        return None, (Problem(folder.name, "", error.strerror or "cannot be read"),)


def _without(names: Collection[str], reading: Reading) -> Reading:
    bad = [read for read in reading.rules if read.definition.id in names]
    problems = [Problem(read.source, read.definition.id, SHIPPED_NAME) for read in bad]
    kept = tuple(read for read in reading.rules if read not in bad)
    return Reading(kept, (*reading.problems, *problems))


def _recorded(connection: Connection[TupleRow], reading: Reading, *, rows: Iterable[RuleRow]) -> Reading:
    """Record the versions that no row has; a name that another evaluator has is a problem."""
    known = {(row.id, row.version, row.source) for row in rows}
    problems: list[Problem] = []
    kept: list[Read] = []
    for read in reading.rules:
        try:
            if (read.definition.id, version_text(read.rule), read.source) not in known:
                add_rule(connection, read.rule, definition=read.definition, source=read.source)
            kept.append(read)
        except VersionError as error:
            problems.append(Problem(read.source, read.definition.id, f"id: {error}"))
    return Reading(tuple(kept), (*reading.problems, *problems))


def _of_files(reading: Reading, *, rows: Iterable[RuleRow]) -> tuple[list[Read], set[str]]:
    """Rules of files that are in force, and the ids of drafts that wait."""
    current = {(row.id, row.version) for row in rows if row.is_current}
    in_force: list[Read] = []
    waiting: set[str] = set()
    for read in reading.rules:
        is_promoted = (read.definition.id, version_text(read.rule)) in current
        if read.definition.enabled and read.definition.draft and not is_promoted:
            waiting.add(read.definition.id)
        elif read.definition.enabled:
            in_force.append(read)
    return in_force, waiting


def _of_rows(
    rows: Iterable[RuleRow],
    *,
    taken: Collection[str],
    shipped: Collection[str],
    is_kept: Callable[[RuleRow], bool],
) -> tuple[list[Read], list[Problem]]:
    """Current versions of the table, and those of files that may still hold them."""
    found: list[Read] = []
    problems: list[Problem] = []
    for row in rows:
        if not row.is_current or not row.is_enabled or row.id in taken or not is_kept(row):
            continue
        try:
            if row.id in shipped:
                raise RefusedError("", SHIPPED_NAME)
            found.append(read_row(row))
        except RefusedError as error:
            problems.append(Problem(ROWS_NAME, row.id, str(error)))
    return found, problems


def _record_anew(connection: Connection[TupleRow], reads: Iterable[Read], *, rows: Iterable[RuleRow]) -> None:
    """Where the code behind a rule has changed since, it is another version of the same definition."""
    known = {(row.id, row.version) for row in rows}
    for read in reads:
        if (read.definition.id, version_text(read.rule)) not in known:
            add_rule(connection, read.rule, definition=read.definition, source=read.source)
