"""Mutes: a rule that is evaluated and recorded, and of which nothing is sent, now or when the mute ends.

A silence only delays: what it held back is sent when it ends. A mute is for a rule that is wrong.
"""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow, class_row

from orchestration.alerts.actions import wording
from orchestration.alerts.actions.errors import ActionError
from orchestration.alerts.actions.known import ANY, check_rule
from orchestration.alerts.actions.record import LOCK, record
from orchestration.alerts.actions.wording import Author
from reports.api.alert_shapes import Mute

_COLUMNS: LiteralString = """
select
    mute_id, rule, starts_at, ends_at, case when ends_at <= now() then 'over' else 'active' end as state,
    reason, created_by, created_at
from alerting.mutes
"""
LIST_MUTES: LiteralString = (
    _COLUMNS + "where ends_at > now() - interval '30 days' order by ends_at desc, mute_id"
)
# By the clock, not by `now()`: a transaction that waited for the lock would look at an earlier moment.
_OPEN: LiteralString = _COLUMNS + "where rule = %s and ends_at > clock_timestamp()"
_PUT: LiteralString = """
insert into alerting.mutes (rule, starts_at, ends_at, reason, created_by)
values (%s, coalesce(%s, clock_timestamp()), %s, %s, %s)
returning mute_id
"""
_END: LiteralString = """
update alerting.mutes set ends_at = greatest(starts_at, clock_timestamp()) where mute_id = %s
returning ends_at
"""


def mute(
    connection: psycopg.Connection[TupleRow],
    rule: str,
    *,
    ends_at: datetime,
    reason: str,
    by: Author,
    rules: AbstractSet[str],
) -> Mute:
    """Send nothing of `rule` until `ends_at` (aware), nor afterwards what it said until then.

    A rule has one mute: another end or reason replaces it from now on. Raises ActionError.
    """
    rule, reason = wording.words(rule, field="rule"), wording.words(reason, field="reason")
    by = by.checked()
    ends_at = wording.to_come(ends_at, field="ends_at", now=datetime.now(UTC))
    if rule == ANY:
        raise ActionError("rule: a mute is of one rule; to hold all messages back, silence them")
    with connection.transaction():
        check_rule(connection, rule, rules=rules)
        connection.execute(LOCK)
        held = _first(connection, _OPEN, rule)
        if held is not None and (held.ends_at, held.reason) == (ends_at, reason):
            return held
        ended = None if held is None else connection.execute(_END, (held.mute_id,)).fetchone()
        since = None if ended is None else ended[0]
        made = connection.execute(_PUT, (rule, since, ends_at, reason, by.name)).fetchone()
        assert made is not None
        record(connection, "muted", by=by, rule=rule, mute_id=made[0], ends_at=ends_at, note=reason)
        return _mute(connection, made[0])


def unmute(
    connection: psycopg.Connection[TupleRow], rule: str, *, by: Author, rules: AbstractSet[str]
) -> bool:
    """Let `rule` be heard from now on; False where it was not muted. Raises ActionError."""
    by = by.checked()
    with connection.transaction():
        connection.execute(LOCK)
        held = _first(connection, _OPEN, rule)
        if held is None:
            check_rule(connection, rule, rules=rules)
            return False
        _end(connection, held, by=by)
    return True


def end_mute(connection: psycopg.Connection[TupleRow], mute_id: UUID, *, by: Author) -> bool:
    """The same by the mute's id; False where it was over already. Raises ActionError."""
    by = by.checked()
    with connection.transaction():
        connection.execute(LOCK)
        held = _mute(connection, mute_id)
        if held.state == "over":
            return False
        _end(connection, held, by=by)
    return True


def _end(connection: psycopg.Connection[TupleRow], held: Mute, *, by: Author) -> None:
    connection.execute(_END, (held.mute_id,))
    record(connection, "unmuted", by=by, rule=held.rule, mute_id=held.mute_id)


def _mute(connection: psycopg.Connection[TupleRow], mute_id: UUID) -> Mute:
    found = _first(connection, _COLUMNS + "where mute_id = %s", mute_id)
    if found is None:
        raise ActionError(f"there is no mute {mute_id}", kind="unknown")
    return found


def _first(connection: psycopg.Connection[TupleRow], query: LiteralString, value: str | UUID) -> Mute | None:
    with connection.cursor(row_factory=class_row(Mute)) as cursor:
        return cursor.execute(query, (value,)).fetchone()
