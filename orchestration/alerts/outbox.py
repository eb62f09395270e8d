"""The sender: takes what waits in `alerting.outbox`, posts it, and tries again later what failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from orchestration.alerts.channels import Channel
from orchestration.alerts.http import Http, Reply

# A tick of the sensor must end within a minute: at most five deliveries of ten seconds.
MOST_PER_CALL = 5
FIRST_PAUSE = 15.0
LONGEST_PAUSE = 3600.0

# One row at a time, held while it is sent: a second sender passes over it. A message waits for an older
# one of the same rule and model, so that nobody reads "resolved" before "firing". What a silence covers waits
# until it ends: an alert that still fires then must not go unheard.
NEXT = """
select outbox.event_id, outbox.payload, outbox.attempts
from alerting.outbox
inner join alerting.events using (event_id)
where outbox.channel = %(channel)s
    and outbox.sent_at is null
    and outbox.next_attempt_at <= %(now)s
    and not exists (
        select from alerting.outbox as earlier
        inner join alerting.events as earlier_event using (event_id)
        where earlier.channel = outbox.channel
            and earlier.sent_at is null
            and earlier_event.rule = events.rule
            and earlier_event.group_key = events.group_key
            and earlier_event.happened_at < events.happened_at
    )
    and not exists (
        select from alerting.silences
        where events.transition in ('firing', 'resolved')
            and silences.rule in ('*', events.rule)
            and silences.group_key in ('*', events.group_key)
            and silences.starts_at <= %(now)s
            and silences.ends_at > %(now)s
    )
order by events.happened_at, outbox.event_id
limit 1
for update of outbox skip locked
"""
SENT = """
update alerting.outbox set sent_at = %(now)s, attempts = attempts + 1, last_error = nullif(%(detail)s, '')
where event_id = %(event_id)s and channel = %(channel)s
"""
FAILED = """
update alerting.outbox
set attempts = attempts + 1, last_error = %(error)s, next_attempt_at = %(next)s
where event_id = %(event_id)s and channel = %(channel)s
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one call of the sender did."""

    n_sent: int
    n_failed: int


def send_outbox(
    connection: psycopg.Connection,
    *,
    channels: Sequence[Channel],
    http: Http,
    now: datetime | None = None,
) -> Delivery:
    """Send what is due, at most five messages; each in its own transaction.

    At least once: a sender killed between the reply and its commit sends again. The event id goes along
    as `Idempotency-Key` and in the message, so that the receiver can tell.
    """
    at = now or datetime.now(UTC)
    n_sent = n_failed = 0
    for channel in channels:
        for _ in range(MOST_PER_CALL):
            outcome = _send_one(connection, channel, http=http, now=at)
            if outcome is None:
                break
            n_sent += outcome
            n_failed += not outcome
    return Delivery(n_sent, n_failed)


def pause(attempts: int, reply: Reply) -> float:
    """Seconds until the next try: 15, 30, 60 … up to an hour, or longer where the server says so."""
    backoff = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts, 20))
    return max(backoff, reply.retry_after or 0.0)


def _send_one(connection: psycopg.Connection, channel: Channel, *, http: Http, now: datetime) -> bool | None:
    with connection.transaction():
        found = connection.execute(NEXT, {"channel": channel.name, "now": now}).fetchone()
        if found is None:
            return None
        event_id, payload, attempts = _row(found)
        reply = http(channel.url, body=payload, headers={"Idempotency-Key": str(event_id)})
        key = {"event_id": event_id, "channel": channel.name}
        if reply.is_ok:
            # Sent, and yet something to say: a mail of which one recipient was refused.
            connection.execute(SENT, {**key, "now": now, "detail": reply.detail})
        else:
            due = now + timedelta(seconds=pause(attempts, reply))
            connection.execute(FAILED, {**key, "error": reply.detail, "next": due})
    return reply.is_ok


def _row(found: tuple[Any, ...]) -> tuple[UUID, dict[str, Any], int]:
    event_id, payload, attempts = found
    return event_id, payload, attempts
