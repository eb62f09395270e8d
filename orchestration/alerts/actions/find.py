"""An alert as people name it: by its fingerprint, the beginning of it, or its rule and group."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow, class_row

from orchestration.alerts.actions.errors import ActionError
from orchestration.alerts.actions.known import check_group, check_rule

_FINGERPRINT = re.compile(r"[0-9a-f]{4,16}", re.ASCII)
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert now. `event_id` is of the event with which it began to fire."""

    fingerprint: str | None
    rule: str
    group_key: str
    state: str
    since: datetime
    event_id: UUID | None

    def __str__(self) -> str:
        return f"{self.rule} of {self.group_key}"


_SELECT: LiteralString = (
    "select fingerprint, rule, group_key, state, since, event_id from alerting.states where "
)


def by_fingerprint(connection: psycopg.Connection[TupleRow], fingerprint: str) -> Alert:
    """The alert of a whole fingerprint. Raises ActionError."""
    found = _alerts(connection, "fingerprint = %s", fingerprint)
    if not found:
        raise ActionError(f"there is no alert {fingerprint[:80]!r}", kind="unknown")
    return found[0]


def find_alert(
    connection: psycopg.Connection[TupleRow],
    name: str,
    *,
    rules: AbstractSet[str],
    group: str | None = None,
) -> Alert:
    """The alert of a fingerprint (or at least four letters of it), or of a rule and group.

    The group may be left out for a rule of which one alert is open. Raises ActionError.
    """
    if group is not None:
        found = _alerts(connection, "rule = %s and group_key = %s", name, group)
        if not found:
            check_rule(connection, name, rules=rules)
            check_group(connection, group, rule=name)
            raise ActionError(f"{name} of {group} has an event in the history, and no state", kind="unknown")
        return found[0]
    if _FINGERPRINT.fullmatch(name) and (found := _alerts(connection, "fingerprint like %s || '%%'", name)):
        return _only(found, name=name)
    found = _alerts(connection, "rule = %s and state <> 'resolved'", name)
    if not found:
        check_rule(connection, name, rules=rules)
        raise ActionError(f"nothing of {name} fires or is about to; name the group, too", kind="unknown")
    return _only(found, name=name)


def _only(found: list[Alert], *, name: str) -> Alert:
    if len(found) == 1:
        return found[0]
    named = ", ".join(f"{alert} ({alert.fingerprint})" for alert in found[:_MOST_NAMED])
    raise ActionError(f"{name} is {len(found)} alerts: {named}{' …' if len(found) > _MOST_NAMED else ''}")


def _alerts(connection: psycopg.Connection[TupleRow], condition: LiteralString, *values: Any) -> list[Alert]:
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(_SELECT + condition + " order by rule, group_key", values).fetchall()
