"""The record of who did what about alerts: rows are only added."""

from datetime import datetime
from typing import Literal, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.actions.wording import Author

Action = Literal["acknowledged", "silenced", "unsilenced", "muted", "unmuted"]

# Changes of silences and mutes look first and write then: one at a time.
LOCK: LiteralString = "select pg_advisory_xact_lock(hashtextextended('alerting.actions', 0))"
_PUT: LiteralString = """
insert into alerting.actions
    (action, acted_by, via, rule, group_key, fingerprint, event_id, silence_id, mute_id, ends_at, note)
values
    (%(action)s, %(by)s, %(via)s, %(rule)s, %(group)s, %(fingerprint)s, %(event_id)s, %(silence_id)s,
    %(mute_id)s, %(ends_at)s, %(note)s)
"""


def record(
    connection: psycopg.Connection[TupleRow],
    action: Action,
    *,
    by: Author,
    rule: str,
    group: str = "*",
    fingerprint: str | None = None,
    event_id: UUID | None = None,
    silence_id: UUID | None = None,
    mute_id: UUID | None = None,
    ends_at: datetime | None = None,
    note: str = "",
) -> None:
    """Add a row, in the transaction of what was done."""
    values = {
        "action": action,
        "by": by.name,
        "via": by.via,
        "rule": rule,
        "group": group,
        "fingerprint": fingerprint,
        "event_id": event_id,
        "silence_id": silence_id,
        "mute_id": mute_id,
        "ends_at": ends_at,
        "note": note,
    }
    connection.execute(_PUT, values)
