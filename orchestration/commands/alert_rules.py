"""`lqo alerts check` and `lqo alerts rules`: alert rules as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.settings import Settings
from orchestration.commands.data import Format
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from orchestration.alerts.definition.load import LoadedRule
    from orchestration.alerts.definition.problems import Problem

HAS_MARTS = "select to_regclass('marts.calls') is not null"
COLUMNS = ("rule", "is_on", "severity", "owner", "window", "condition", "group_by", "origin", "place")


def check(
    path: Annotated[
        Path | None, typer.Argument(help="A file or folder of rules; default: the shipped ones and yours.")
    ] = None,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Do not ask the warehouse for marts, columns and SQL.")
    ] = False,
) -> None:
    """Check alert rules: every fault in a line with its file, line and field; exit 2 if there is one.

    Where there is a warehouse, each rule's SQL is planned under the rights that it would run with.
    """
    from orchestration.alerts.definition.folder import alerts_folder
    from orchestration.alerts.definition.load import load_path, load_rule_set

    settings = settings_or_exit()
    if path is not None and not path.exists():
        raise UserError(f"there is no {path}", code=2)
    found = load_rule_set(alerts_folder(settings)) if path is None else load_path(path)
    told = "files only" if files_only else ""
    problems = [*found.problems]
    if not files_only:
        more, told = _against_warehouse(settings, found.rules)
        problems += more
    for problem in problems:
        typer.echo(str(problem), err=True)
    if problems:
        faults = f"{len(problems)} fault{'' if len(problems) == 1 else 's'}"
        raise UserError(f"{faults} in alert rules; {len(found.rules)} could be read", code=2)
    n_off = sum(not one.rule.enabled for one in found.rules)
    off = f", {n_off} of them off" if n_off else ""
    word = "alert rule" if len(found.rules) == 1 else "alert rules"
    typer.echo(f"{len(found.rules)} {word}{off} ({told})")


def rules(
    form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
) -> None:
    """List the alert rules and where they stand; what cannot be read goes to stderr."""
    from orchestration.alerts.definition.folder import alerts_folder
    from orchestration.alerts.definition.load import load_rule_set
    from orchestration.commands.query import print_rows

    found = load_rule_set(alerts_folder(settings_or_exit()))
    print_rows(COLUMNS, [_row(one) for one in found.rules], form=form.value)
    for problem in found.problems:
        typer.echo(str(problem), err=True)


def _row(one: "LoadedRule") -> tuple[object, ...]:
    from orchestration.alerts.definition.words import condition_words, window_words

    rule = one.rule
    return (
        rule.name,
        rule.enabled,
        rule.severity,
        rule.owner,
        window_words(rule),
        condition_words(rule),
        ", ".join(rule.group_by),
        "yours, for a shipped one" if one.replaces_shipped else one.origin,
        f"{one.source}:{one.line}",
    )


def _against_warehouse(settings: Settings, rules: "Sequence[LoadedRule]") -> "tuple[list[Problem], str]":
    """What the warehouse says of the rules, and what was asked, in words."""
    from orchestration.alerts.reading.trial import find_rule_faults

    if settings.database_url is None and not (settings.postgres / "data").is_dir():
        return [], "files only: there is no warehouse yet"
    with open_warehouse(settings) as connection:
        if connection.execute(HAS_MARTS).fetchone() != (True,):
            return [], "files only: the marts are not built yet"
        faults = [(one, fault) for one in rules for fault in find_rule_faults(connection, one.rule)]
    return [one.problem(field, reason) for one, (field, reason) in faults], "planned against the warehouse"
