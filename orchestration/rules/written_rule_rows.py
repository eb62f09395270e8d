"""The rows of `evaluation.rules`: every version of a written rule, and whether it is in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from evaluators.rules.base import Rule
from evaluators.rules.written.definition import Definition, definition_text
from orchestration.rules.rule_sets import version_text
from orchestration.versions.registry import register_version

# What was added by `lqo rules` and stands in no file.
TABLE = "table"

ROWS: LiteralString = """
select
    rules.id,
    rules.version,
    rules.definition,
    rules.source,
    rules.is_enabled,
    rules.recorded_at,
    coalesce(versions.status, 'draft') as status,
    exists (
        select from evaluation.version_periods as periods
        where periods.evaluator_version_id = versions.id
            and (periods.current_from is null or periods.current_from <= now())
            and (periods.current_to is null or periods.current_to > now())
    ) as is_current
from evaluation.rules
left join evaluation.evaluator_versions as versions
    on versions.evaluator = rules.id and versions.version = rules.version
order by rules.id, rules.recorded_at, rules.version
"""

ADD: LiteralString = """
insert into evaluation.rules (id, version, definition, kind, priority, label, source)
values (%(id)s, %(version)s, %(definition)s, %(kind)s, %(priority)s, %(label)s, %(source)s)
on conflict (id, version) do update
set source = excluded.source, is_enabled = true
where (rules.source, rules.is_enabled) is distinct from (excluded.source, true)
"""

# A version that is registered knows no severity of its own accord.
SET_SEVERITY: LiteralString = """
update evaluation.evaluator_versions set severity = %s where id = %s and severity is distinct from %s
"""

DISABLE: LiteralString = """
update evaluation.rules set is_enabled = false where id = %s and source = 'table' and is_enabled
"""


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A version of a rule; `is_current`: it is the one for calls of this moment."""

    id: str
    version: str
    definition: object
    source: str
    is_enabled: bool
    recorded_at: datetime
    status: str
    is_current: bool


def rule_rows(connection: Connection[TupleRow]) -> list[RuleRow]:
    """All versions of all written rules, by id, the newest last."""
    with connection.transaction(), connection.cursor(row_factory=class_row(RuleRow)) as cursor:
        rows: Sequence[RuleRow] = cursor.execute(ROWS).fetchall()
        return list(rows)


def add_rule(connection: Connection[TupleRow], rule: Rule, *, definition: Definition, source: str) -> str:
    """Record a version of a rule, as a draft where it is new; returns its version.

    Raises VersionError where an evaluator of another kind has the name.
    """
    version = version_text(rule)
    registered = register_version(
        connection,
        evaluator=rule.name,
        version=version,
        kind="rule",
        description=rule.description,
        is_active_if_first=False,
    )
    given = {
        "id": rule.name,
        "version": version,
        "definition": definition_text(definition),
        "kind": definition.kind,
        "priority": definition.effective_priority,
        "label": definition.shown_label,
        "source": source,
    }
    with connection.transaction():
        connection.execute(SET_SEVERITY, (rule.severity, registered.id, rule.severity))
        connection.execute(ADD, given)
    return version


def disable_rule(connection: Connection[TupleRow], name: str) -> bool:
    """Switch off every version of a rule of the table; False if none was on."""
    with connection.transaction():
        return connection.execute(DISABLE, (name,)).rowcount > 0


def as_mapping(value: object) -> object:
    """A stored definition as values, whether the driver has decoded it or not."""
    return msgspec.json.decode(value) if isinstance(value, str | bytes) else value
