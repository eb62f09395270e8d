"""Evaluator versions as people name them: register one, list them, find one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from orchestration.transactions import writing

Kind = Literal["rule", "judge", "human", "external"]
Status = Literal["draft", "shadow", "active", "retired"]

# One lock for everything that says which version is current; the catalogue of rules takes it as well.
RELATION = "evaluation.rule_sets"
NAME = re.compile(r"[\w.:-]{1,200}", re.ASCII)
VERSION = re.compile(r"[^\s@]{1,200}")

VERSIONS: LiteralString = """
select id, evaluator, version, kind, status, description, current_from, current_to, recorded_at
from evaluation.evaluator_versions
"""

ADD: LiteralString = """
insert into evaluation.evaluator_versions (evaluator, version, kind, status, description, current_from)
select %(evaluator)s, %(version)s, %(kind)s, status, %(description)s, case status when 'active' then now() end
from (
    select case when exists (
        select from evaluation.evaluator_versions
        where evaluator = %(evaluator)s and status in ('active', 'retired')
    ) then 'draft' else %(first_status)s end as status
) as given
on conflict (evaluator, version) do nothing
"""


class VersionError(ValueError):
    """A version that is not there, not meant, or may not be changed so; the message is one line."""


@dataclass(frozen=True, slots=True)
class Version:
    """A row of `evaluation.evaluator_versions`. `current_from` and `current_to` are those of its newest
    period; which version is current on a day, `evaluation.version_periods` says."""

    id: int
    evaluator: str
    version: str
    kind: Kind
    status: Status
    description: str | None
    current_from: datetime | None
    current_to: datetime | None
    recorded_at: datetime

    def __str__(self) -> str:
        return f"{self.evaluator}@{self.version}"


def register_version(
    connection: Connection[TupleRow],
    *,
    evaluator: str,
    version: str,
    kind: Kind,
    description: str | None = None,
    is_active_if_first: bool = True,
) -> Version:
    """The version's row; a new one is a draft, unless the evaluator never had an active version.

    A first version breaks no line, so it is active at once, for the days before it, too. Registering again
    changes nothing. Raises VersionError for a name or kind that cannot be.
    """
    if not NAME.fullmatch(evaluator):
        raise VersionError(f"an evaluator is named by letters, digits and . _ : -, not {evaluator[:80]!r}")
    if not VERSION.fullmatch(version):
        raise VersionError(f"a version is 1 to 200 characters without blanks or @, not {version[:80]!r}")
    given = {
        "evaluator": evaluator,
        "version": version,
        "kind": kind,
        "description": description,
        "first_status": "active" if is_active_if_first else "draft",
    }
    with writing(connection, relation=RELATION):
        kinds = {known.kind for known in _read(connection, evaluator)}
        if kinds - {kind}:
            raise VersionError(f"{evaluator} is a {kinds.pop()} already; name the {kind} otherwise")
        connection.execute(ADD, given)
        return next(known for known in _read(connection, evaluator) if known.version == version)


def list_versions(connection: Connection[TupleRow], *, evaluator: str | None = None) -> list[Version]:
    """All versions, or one evaluator's, in the order of evaluator and registration."""
    with connection.transaction():
        return _read(connection, evaluator)


def find_version(connection: Connection[TupleRow], text: str) -> Version:
    """The one version that `text` means: `evaluator@version`, a version alone, or the beginning of either.

    Raises VersionError where there is none, or several.
    """
    evaluator, at, version = text.rpartition("@")
    known = list_versions(connection, evaluator=evaluator if at else None)
    exact = [each for each in known if each.version == version]
    found = exact or [each for each in known if each.version.startswith(version)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise VersionError(f"there is no version {text!r}; `lqo evaluators list` shows all")
    names = ", ".join(str(each) for each in found[:5])
    raise VersionError(f"{text!r} may mean {names}{' …' if len(found) > 5 else ''}")


def _read(connection: Connection[TupleRow], evaluator: str | None) -> list[Version]:
    with connection.cursor(row_factory=class_row(Version)) as cursor:
        if evaluator is None:
            return cursor.execute(VERSIONS + "order by evaluator, id").fetchall()
        rows: Sequence[Version] = cursor.execute(
            VERSIONS + "where evaluator = %s order by id", (evaluator,)
        ).fetchall()
        return list(rows)
