"""`alerting.states` and `alerting.events`: read and written in the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from orchestration.alerts.delivery.text import storable
from orchestration.alerts.engine.machine import Memory
from orchestration.alerts.engine.transition import Source, Transition

LOCK: LiteralString = "select pg_advisory_xact_lock(hashtextextended('alerting.states', 0))"
STATES: LiteralString = """
select
    rule, group_key, dimensions, baseline, event_id, held_until,
    coalesce(severity, 'warning'), coalesce(owner, ''), labels,
    state, since, evaluated_at,
    coalesce(breached_at, since), coalesce(last_breach_at, evaluated_at), coalesce(seen_at, evaluated_at)
from alerting.states
where rule = any(%s) and source <> 'alertmanager'
"""
NAMES: LiteralString = (
    "select distinct rule from alerting.states where state <> 'resolved' and source = any(%s)"
)
PUT_STATE: LiteralString = """
insert into alerting.states (
    rule, group_key, fingerprint, dimensions, labels, severity, owner, source, state, since, evaluated_at,
    breached_at, last_breach_at, seen_at, value, threshold, baseline, n, message, event_id, held_until,
    details
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (rule, group_key) do update set
    fingerprint = excluded.fingerprint,
    dimensions = excluded.dimensions,
    labels = excluded.labels,
    severity = excluded.severity,
    owner = excluded.owner,
    source = excluded.source,
    state = excluded.state,
    since = excluded.since,
    evaluated_at = excluded.evaluated_at,
    breached_at = excluded.breached_at,
    last_breach_at = excluded.last_breach_at,
    seen_at = excluded.seen_at,
    value = excluded.value,
    threshold = excluded.threshold,
    baseline = excluded.baseline,
    n = excluded.n,
    message = excluded.message,
    event_id = excluded.event_id,
    held_until = excluded.held_until,
    details = excluded.details
"""
RENAME: LiteralString = "update alerting.states set group_key = %s where rule = %s and group_key = %s"
PUT_EVENT: LiteralString = """
insert into alerting.events (
    event_id, rule, group_key, transition, severity, value, threshold, n, message, happened_at,
    fingerprint, dimensions, labels, details, owner, since, source
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (event_id) do nothing
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A group's row of `alerting.states`: its memory, and what it began to fire with."""

    memory: Memory
    dimensions: dict[str, str]
    baseline: float | None = None
    event_id: UUID | None = None
    held_until: datetime | None = None
    severity: str = "warning"
    owner: str = ""
    labels: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """A group's row as it is to be written."""

    rule: str
    group: str
    fingerprint: str
    dimensions: dict[str, str]
    labels: dict[str, str]
    severity: str
    owner: str
    source: Source
    memory: Memory
    value: float | None
    threshold: float | None
    baseline: float | None
    n: int
    message: str
    event_id: UUID | None
    held_until: datetime | None
    details: dict[str, Any] = field(default_factory=dict[str, Any])


def read_states(connection: psycopg.Connection[TupleRow], rules: Sequence[str]) -> dict[str, dict[str, Held]]:
    """By rule and group's text: what is known of the groups of these rules, in one query."""
    found: dict[str, dict[str, Held]] = {rule: {} for rule in rules}
    for rule, group, *begun in connection.execute(STATES, (list(rules),)):
        found[rule][group] = Held(Memory(*begun[7:]), *begun[:7])
    return found


def open_rules(connection: psycopg.Connection[TupleRow], *, sources: Sequence[Source]) -> set[str]:
    """The rules of which anything is pending or firing."""
    return {row[0] for row in connection.execute(NAMES, (list(sources),))}


def write_states(connection: psycopg.Connection[TupleRow], rows: Iterable[StateRow]) -> None:
    """Write the rows, all in one round trip or two."""
    values = [
        (
            *(row.rule, row.group, row.fingerprint, Jsonb(row.dimensions), Jsonb(row.labels)),
            *(row.severity, row.owner, row.source),
            *(row.memory.state, row.memory.since, row.memory.evaluated_at),
            *(row.memory.breached_at, row.memory.last_breach_at, row.memory.seen_at),
            *(row.value, row.threshold, row.baseline, row.n, storable(row.message)),
            *(row.event_id, row.held_until, Jsonb(row.details)),
        )
        for row in rows
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(PUT_STATE, values)


def rename_group(connection: psycopg.Connection[TupleRow], rule: str, group: str, *, new: str) -> None:
    """Give a group's row the text that its rule has for it now."""
    connection.execute(RENAME, (new, rule, group))


def put_event(connection: psycopg.Connection[TupleRow], found: Transition) -> bool:
    """Write the event; False where it is there already."""
    values = (
        *(found.event_id, found.rule, storable(found.group), found.transition, found.severity),
        *(found.value, found.threshold, found.n, storable(found.message), found.happened_at),
        *(found.fingerprint, Jsonb(found.dimensions), Jsonb(found.labels), Jsonb(found.details)),
        *(found.owner, found.since, found.source),
    )
    return connection.execute(PUT_EVENT, values).rowcount == 1
