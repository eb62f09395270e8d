"""Messages that no further try is made for, and what waits for each channel."""

from dataclasses import dataclass
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
    count(*) filter (where dead_at is not null),
    (array_agg(last_error order by next_attempt_at desc) filter (
        where sent_at is null and muted_at is null and last_error is not null
    ))[1]
from alerting.outbox
group by channel
"""
BEGINS: LiteralString = """
select distinct event_id from alerting.outbox
where sent_at is null and muted_at is null and event_id::text like %s || '%%' order by 1 limit 2
"""
HURRY: LiteralString = """
update alerting.outbox
set next_attempt_at = now()
where sent_at is null
    and dead_at is null
    and muted_at is null
    and attempts > 0
    and next_attempt_at > now()
    and (claimed_until is null or claimed_until <= now())
    and (%(event)s::uuid is null or event_id = %(event)s)
    and (%(channel)s::text is null or channel = %(channel)s)
"""
PUT_BACK: LiteralString = """
update alerting.outbox
set dead_at = null, dead_reason = null, attempts = 0, first_attempt_at = null, next_attempt_at = now()
where dead_at is not null
    and (%(event)s::uuid is null or event_id = %(event)s)
    and (%(channel)s::text is null or channel = %(channel)s)
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages of a channel wait, how many were given up, and what the newest of them met."""

    n_waiting: int = 0
    n_dead: int = 0
    last_error: str | None = None


def read_counts(connection: psycopg.Connection[TupleRow]) -> dict[str, Counts]:
    """By channel."""
    return {channel: Counts(*row) for channel, *row in connection.execute(COUNTS).fetchall()}


def find_unsent(connection: psycopg.Connection[TupleRow], event: str) -> list[UUID]:
    """The events with unsent messages whose id begins so: two are as good as many."""
    return [found for (found,) in connection.execute(BEGINS, (event.lower(),))]


def hurry(
    connection: psycopg.Connection[TupleRow], *, event: UUID | None = None, channel: str | None = None
) -> int:
    """Make due now what failed and waits for its next try; how many. What quiet hours hold back stays."""
    return connection.execute(HURRY, {"event": event, "channel": channel}).rowcount


def put_back(
    connection: psycopg.Connection[TupleRow], *, event: UUID | None = None, channel: str | None = None
) -> int:
    """Let dead letters be tried again, as if they were new; how many. What may have arrived still says so."""
    return connection.execute(PUT_BACK, {"event": event, "channel": channel}).rowcount
