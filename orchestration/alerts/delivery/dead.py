"""Messages that no further try is made for, and what waits for each channel."""

from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

LIST_DEAD: LiteralString = """
select
    outbox.event_id, outbox.channel, events.rule, events.group_key, events.transition, outbox.happened_at,
    outbox.attempts, outbox.dead_at, outbox.dead_reason
from alerting.outbox
inner join alerting.events using (event_id)
where outbox.dead_at is not null
order by outbox.dead_at desc, outbox.event_id
limit 1000
"""
COUNTS: LiteralString = """
select
    channel,
    count(*) filter (where sent_at is null and dead_at is null and muted_at is null),
    count(*) filter (where dead_at is not null)
from alerting.outbox
group by channel
"""
PUT_BACK: LiteralString = """
update alerting.outbox
set dead_at = null, dead_reason = null, attempts = 0, first_attempt_at = null, next_attempt_at = now()
where dead_at is not null
    and (%(event)s::uuid is null or event_id = %(event)s)
    and (%(channel)s::text is null or channel = %(channel)s)
"""


def read_counts(connection: psycopg.Connection[TupleRow]) -> dict[str, tuple[int, int]]:
    """By channel: how many messages wait, and how many were given up."""
    return {channel: (waiting, dead) for channel, waiting, dead in connection.execute(COUNTS).fetchall()}


def put_back(
    connection: psycopg.Connection[TupleRow], *, event: UUID | None = None, channel: str | None = None
) -> int:
    """Let dead letters be tried again, as if they were new; how many. What may have arrived still says so."""
    return connection.execute(PUT_BACK, {"event": event, "channel": channel}).rowcount
