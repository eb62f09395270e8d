"""Silences: while one holds, messages of its alerts wait in the outbox; history and states go on."""

from datetime import datetime
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

ANY = "*"

LIST_SILENCES: LiteralString = """
select
    silence_id, rule, group_key, starts_at, ends_at,
    case when ends_at <= now() then 'over' when starts_at > now() then 'to come' else 'active' end as state,
    reason, created_by
from alerting.silences
where ends_at > now() - interval '30 days'
order by ends_at desc, silence_id
"""
PUT_SILENCE = """
insert into alerting.silences (rule, group_key, ends_at, reason, created_by)
values (%s, %s, %s, %s, %s)
returning silence_id
"""
END_SILENCE = """
update alerting.silences set ends_at = greatest(now(), starts_at)
where silence_id = %s and ends_at > now()
"""


def add_silence(
    connection: psycopg.Connection[TupleRow],
    *,
    ends_at: datetime,
    reason: str,
    created_by: str,
    rule: str = ANY,
    group: str = ANY,
) -> UUID:
    """Hold back what these alerts say from now until `ends_at` (aware); `*` means every rule or group."""
    row = connection.execute(PUT_SILENCE, (rule, group, ends_at, reason, created_by)).fetchone()
    assert row is not None
    return row[0]


def end_silence(connection: psycopg.Connection[TupleRow], silence_id: UUID) -> bool:
    """End one now; False where there is none that is open. What it held back is sent."""
    return connection.execute(END_SILENCE, (silence_id,)).rowcount == 1
