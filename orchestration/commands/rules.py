"""`lqo rules`: checks that people write, from draft to force."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import psycopg
import typer

from ingest.settings import Settings
from orchestration.commands.data import Format
from orchestration.commands.errors import UserError
from orchestration.commands.paths import file_or_exit
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from evaluators.rules.base import Rule
    from evaluators.rules.written.files import Problem, Read, Reading
    from orchestration.rules.written_rule_rows import RuleRow
    from orchestration.windows import Window

app = typer.Typer(no_args_is_help=True, help="Checks that people write (docs/written-rules.md).")
Name = Annotated[str, typer.Argument(metavar="RULE", help="The rule's id.")]


@app.callback()
def _rules() -> None:
    """Checks that people write: a draft is tried on landed calls, then promoted."""


@app.command("list")
def list_(
    form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
) -> None:
    """Show all rules, shipped and written, with their newest version; what cannot be read goes to stderr."""
    from orchestration.commands.query import print_rows
    from orchestration.rules.written_rule_list import LIST_COLUMNS, list_rules

    settings = settings_or_exit()
    with open_warehouse(settings) as connection:
        rows, problems = list_rules(connection, folder=_folder(settings))
    print_rows(LIST_COLUMNS, rows, form=form.value)
    _say(problems)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="YAML of rules (docs/written-rules.md); - is stdin.")],
) -> None:
    """Record the rules of a file as drafts; a rule that is there already gets a new version."""
    reading = _read_or_exit(file)
    with _open() as (connection, _):
        for read in reading.rules:
            typer.echo(f"{read.definition.id} {_add(connection, read)} is a draft")


@app.command()
def edit(rule: Name) -> None:
    """Open a rule's newest version in $EDITOR; what is saved is a draft."""
    from evaluators.rules.written.definition import definition_text
    from evaluators.rules.written.files import dump_rule, read_text
    from orchestration.rules.written_rules import read_row

    with _open() as (connection, _):
        row = _newest(connection, rule)
        if row.source != "table":
            raise UserError(f"{rule} stands in the file {row.source}; edit it there", code=2)
        before = read_row(row).definition
        reading = read_text(_edited(dump_rule(before)), source="what was written")
        if reading.problems or [read.definition.id for read in reading.rules] != [rule]:
            _say(reading.problems)
            raise UserError(f"nothing was saved: the text must hold the rule {rule} and no other", code=2)
        if definition_text(reading.rules[0].definition) == definition_text(before):
            typer.echo("nothing changed")
            return
        typer.echo(f"{rule} {_add(connection, reading.rules[0])} is a draft")


@app.command()
def test(  # noqa: PLR0917  (typer calls it by name)
    target: Annotated[str, typer.Argument(metavar="RULE|FILE", help="A rule's id, or a YAML of rules.")],
    days: Annotated[int, typer.Option(min=1, max=3660, help="The last so many days, today included.")] = 7,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First UTC day.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last UTC day, inclusive.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="About so many calls, always the same.")] = None,
    examples: Annotated[int, typer.Option(min=0, max=100, help="How many calls to show.")] = 5,
) -> None:
    """Run rules over landed calls: hits, rates, examples, and what changes against the version in force."""
    from orchestration.rules.written_rule_report import report
    from orchestration.rules.written_rule_trial import try_rule

    window = _window(first, last, days=days)
    with _open() as (connection, settings):
        drafts, in_force = _to_try(connection, target, settings=settings)
        for draft in drafts:
            current = in_force.get(draft.name)
            trial = try_rule(
                connection, draft, in_force=current, window=window, sample=sample, n_examples=examples
            )
            typer.echo(report(trial, rule=draft, in_force=current, window=window))


@app.command()
def promote(
    rule: Name,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="Default: today.")] = None,
    without_bridge: Annotated[
        bool, typer.Option("--without-bridge", help="Although no bridge from the version before is known.")
    ] = False,
    with_gaps: Annotated[
        bool, typer.Option("--with-gaps", help="Although calls of earlier days lack its verdicts.")
    ] = False,
) -> None:
    """Put a rule's newest version in force for the calls of a day and later; earlier days keep their line."""
    from orchestration.rules.rule_sets import register_rule_set
    from orchestration.rules.written_rule_rows import add_rule
    from orchestration.rules.written_rules import read_row, rules_in_force
    from orchestration.versions.promoting import promote as promote_version
    from orchestration.versions.registry import find_version

    from_day = datetime.now(UTC).date() if first is None else _day(first, option="--from")
    with _open() as (connection, settings):
        rules_in_force(connection, folder=_folder(settings))
        row = _newest(connection, rule)
        read = read_row(row)
        # The code behind a rule may have changed since it was added; then it has another version now.
        text = add_rule(connection, read.rule, definition=read.definition, source=row.source)
        version = find_version(connection, f"{rule}@{text}")
        done = promote_version(
            connection,
            version,
            from_day=from_day,
            is_bridge_waived=without_bridge,
            are_gaps_waived=with_gaps,
        )
        register_rule_set(connection, rules_in_force(connection, folder=_folder(settings)).rules)
    for warning in done.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(
        f"{version} is in force from {from_day} on" if done.is_changed else f"{version} is in force already"
    )


@app.command()
def disable(rule: Name) -> None:
    """End a rule of the table; its verdicts stay, and `promote` brings it back."""
    from orchestration.rules.rule_sets import register_rule_set
    from orchestration.rules.written_rule_rows import disable_rule
    from orchestration.rules.written_rules import rules_in_force

    with _open() as (connection, settings):
        row = _newest(connection, rule)
        if row.source != "table":
            raise UserError(f"{rule} stands in the file {row.source}; say `enabled: false` there", code=2)
        is_changed = disable_rule(connection, rule)
        register_rule_set(connection, rules_in_force(connection, folder=_folder(settings)).rules)
    typer.echo(f"{rule} judges no further call" if is_changed else f"{rule} is off already")


@contextmanager
def _open() -> Iterator[tuple[psycopg.Connection, Settings]]:
    """The warehouse; what cannot be done to a rule or version is bad usage."""
    from evaluators.rules.written.looks import RefusedError
    from orchestration.versions.registry import VersionError

    settings = settings_or_exit()
    with open_warehouse(settings) as connection:
        connection.autocommit = True
        try:
            yield connection, settings
        except (VersionError, RefusedError) as error:
            raise UserError(str(error), code=2) from error


def _edited(text: str) -> bytes:
    """What a person makes of a text in $VISUAL or $EDITOR."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="lqo-rules-") as folder:
        path = Path(folder) / "rule.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(path)], check=True)
            return path.read_bytes()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise UserError(f"the editor {editor!r} failed ({error}); nothing was saved") from error


def _folder(settings: Settings) -> Path:
    from orchestration.rules.written_rules import rules_folder

    return rules_folder(settings)


def _read_or_exit(file: Path) -> "Reading":
    """The rules of a file, all of them readable."""
    from evaluators.rules.catalogue import RULES
    from evaluators.rules.written.files import read_file, read_text

    path = file_or_exit(file)
    reading = read_text(sys.stdin.buffer.read(), source="-") if str(file) == "-" else read_file(path)
    shipped = {rule.name for rule in RULES} & {read.definition.id for read in reading.rules}
    if reading.problems or shipped or not reading.rules:
        _say(reading.problems)
        _refuse(file, n_problems=len(reading.problems), shipped=sorted(shipped))
    return reading


def _refuse(file: Path, *, n_problems: int, shipped: list[str]) -> NoReturn:
    if shipped:
        raise UserError(f"{file}: rule {shipped[0]}: id: is the name of a shipped rule", code=2)
    if n_problems:
        raise UserError(f"{file}: {n_problems} of its rules cannot be read; nothing was done", code=2)
    raise UserError(f"{file}: there are no rules in it", code=2)


def _to_try(
    connection: psycopg.Connection, target: str, *, settings: Settings
) -> tuple[list["Rule"], dict[str, "Rule"]]:
    """The rules that are meant, and those in force by name."""
    from orchestration.rules.written_rules import read_row, rules_in_force

    in_force = {rule.name: rule for rule in rules_in_force(connection, folder=_folder(settings)).rules}
    if Path(target).suffix in (".yaml", ".yml") or target == "-":
        return [read.rule for read in _read_or_exit(Path(target)).rules], in_force
    if target in in_force and not _is_written(connection, target):
        return [in_force[target]], in_force
    return [read_row(_newest(connection, target)).rule], in_force


def _is_written(connection: psycopg.Connection, rule: str) -> bool:
    from orchestration.rules.written_rule_rows import rule_rows

    return any(row.id == rule for row in rule_rows(connection))


def _newest(connection: psycopg.Connection, rule: str) -> "RuleRow":
    from orchestration.rules.written_rule_rows import rule_rows

    rows = [row for row in rule_rows(connection) if row.id == rule]
    if not rows:
        raise UserError(f"there is no written rule {rule!r}; `lqo rules list` shows all", code=2)
    return rows[-1]


def _add(connection: psycopg.Connection, read: "Read") -> str:
    from orchestration.rules.written_rule_rows import TABLE, add_rule

    return add_rule(connection, read.rule, definition=read.definition, source=TABLE)


def _say(problems: "tuple[Problem, ...]") -> None:
    for problem in problems:
        typer.echo(f"lqo: {problem}", err=True)


def _window(first: str | None, last: str | None, *, days: int) -> "Window":
    from orchestration.windows import Window, day_window

    to_day = datetime.now(UTC).date() if last is None else _day(last, option="--to")
    from_day = to_day - timedelta(days=days - 1) if first is None else _day(first, option="--from")
    if from_day > to_day:
        raise UserError(f"--from {from_day} is after --to {to_day}", code=2)
    return Window(day_window(from_day).start, day_window(to_day).end)


def _day(text: str, *, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} must be a day such as 2026-11-01, not {text!r}", code=2) from None
