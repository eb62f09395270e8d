"""Taking messages out of the outbox to send them, and writing down what came of it.

A claim is committed before anything leaves, with the note that a try has begun. Whoever finds that note
later, with its lease over, knows that the receiver may have the message: the next try says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4, uuid5

import msgspec
import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.delivery.channel import Limits, Parcel, Reply
from orchestration.alerts.message import AlertMessage

Connection = psycopg.Connection[TupleRow]

NAMESPACE = UUID("0d5c8a52-8f0e-5f2b-9b39-6a5f4f1d2c7e")
MOST_IN_DIGEST = 40
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 3600.0
# 2, 4, 8 … 3,600 s are 34 tries in a day; a receiver that is away over night is not given up.
LONGEST_TRYING = timedelta(hours=24)
MOST_ATTEMPTS = 60
# All messages of a channel wait a moment after a failure, so that an outage does not use up their tries.
UNWELL_PAUSE = 1.0

MAKE_PACE: LiteralString = "insert into alerting.channel_pace (channel) values (%s) on conflict do nothing"
# Locked: senders of one channel take turns for the milliseconds of a claim, so its rate is one for all.
PACE: LiteralString = """
select next_at <= coalesce(%(now)s, clock_timestamp()), coalesce(%(now)s, clock_timestamp())
from alerting.channel_pace where channel = %(channel)s for update skip locked
"""
SET_PACE: LiteralString = """
update alerting.channel_pace set next_at = greatest(next_at, %(next)s) where channel = %(channel)s
"""
DUE: LiteralString = """
select
    outbox.event_id, outbox.payload, outbox.attempts, outbox.is_alone, outbox.digest_id,
    outbox.is_repeat or outbox.attempt_started_at is not null,
    alerting.held_back(events, %(now)s)
from alerting.outbox
inner join alerting.events using (event_id)
where outbox.channel = %(channel)s
    and outbox.sent_at is null
    and outbox.dead_at is null
    and outbox.muted_at is null
    and outbox.next_attempt_at <= %(now)s
    and (outbox.claimed_until is null or outbox.claimed_until <= %(now)s)
    and not exists (
        select from alerting.outbox as earlier
        where earlier.channel = outbox.channel
            and earlier.order_key = outbox.order_key
            and earlier.happened_at < outbox.happened_at
            and earlier.sent_at is null
            and earlier.dead_at is null
            and earlier.muted_at is null
    )
    and alerting.held_back(events, %(now)s) is distinct from 'silenced'
order by outbox.happened_at, outbox.event_id
limit %(most)s
for update of outbox skip locked
"""
CLAIM: LiteralString = """
update alerting.outbox
set claimed_by = %(token)s, claimed_until = %(until)s,
    is_repeat = is_repeat or attempt_started_at is not null,
    attempt_started_at = %(now)s, first_attempt_at = coalesce(first_attempt_at, %(now)s),
    attempts = attempts + 1, digest_id = %(digest)s
where channel = %(channel)s and event_id = any(%(events)s)
"""
MUTE: LiteralString = """
update alerting.outbox set muted_at = %(now)s, last_error = 'muted'
where channel = %(channel)s and event_id = any(%(events)s)
"""
SENT: LiteralString = """
update alerting.outbox
set sent_at = %(now)s, last_error = nullif(%(detail)s, ''), claimed_by = null, claimed_until = null,
    attempt_started_at = null
where channel = %(channel)s and claimed_by = %(token)s
"""
# A claim that another sender has taken over meanwhile is no longer ours to settle.
FAILED: LiteralString = """
update alerting.outbox
set last_error = %(detail)s, next_attempt_at = %(next)s, claimed_by = null, claimed_until = null,
    attempt_started_at = null, is_repeat = is_repeat or %(is_uncertain)s,
    digest_id = case when %(is_uncertain)s then digest_id end,
    is_alone = is_alone or %(is_refused_digest)s,
    dead_at = case when given_up then %(now)s end,
    dead_reason = case when given_up then %(detail)s end
from (
    select
        event_id as settled,
        %(is_dead)s or attempts >= %(most)s or first_attempt_at <= %(oldest)s as given_up
    from alerting.outbox
    where channel = %(channel)s and claimed_by = %(token)s
) as claimed
where event_id = settled and channel = %(channel)s and claimed_by = %(token)s
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one sender may now send, until its lease ends; `token` is what it settles with."""

    token: UUID
    channel: str
    parcel: Parcel
    n_attempts: int

    @property
    def n_messages(self) -> int:
        return max(1, len(self.parcel.messages))


def claim_next(
    connection: Connection, *, channel: str, limits: Limits, now: datetime | None = None
) -> Claim | None:
    """Claim what the channel is to have next, in a transaction that is committed when this returns.

    None: nothing is due, the channel rests, or another sender is just claiming. `now` (None: the server's
    clock) is for replays.
    """
    with connection.transaction():
        connection.execute(MAKE_PACE, (channel,))
        pace = connection.execute(PACE, {"channel": channel, "now": now}).fetchone()
        if pace is None or not pace[0]:
            return None
        at: datetime = pace[1]
        most = MOST_IN_DIGEST if limits.digest_above is not None else 1
        chosen = _choose(_due(connection, channel=channel, at=at, most=most), limits=limits)
        if not chosen:
            return None
        token, parcel = uuid4(), _parcel(chosen, channel=channel)
        connection.execute(
            CLAIM,
            {
                "token": token,
                "until": at + timedelta(seconds=limits.lease_seconds),
                "now": at,
                "digest": UUID(parcel.key) if len(chosen) > 1 else None,
                "channel": channel,
                "events": [row.event_id for row in chosen],
            },
        )
        if limits.per_minute is not None:
            next_at = at + timedelta(seconds=60 / limits.per_minute)
            connection.execute(SET_PACE, {"channel": channel, "next": next_at})
    return Claim(token, channel, parcel, max(row.attempts for row in chosen) + 1)


def settle(connection: Connection, claim: Claim, reply: Reply, *, now: datetime | None = None) -> None:
    """Write down what came of a claim, and let the channel rest where it is unwell or asks for it."""
    with connection.transaction():
        # The server's clock, since senders on other machines go by it, too.
        (clock,) = connection.execute("select clock_timestamp()").fetchone() or (datetime.now(UTC),)
        at: datetime = now or clock
        key = {"channel": claim.channel, "token": claim.token, "now": at}
        if reply.is_ok:
            connection.execute(SENT, {**key, "detail": reply.detail})
            return
        is_digest = len(claim.parcel.messages) > 1
        outcome = {
            "detail": reply.detail,
            "next": at + timedelta(seconds=pause(claim.n_attempts, reply)),
            "is_uncertain": reply.is_uncertain,
            # One bad message must not take the others of its digest along.
            "is_refused_digest": reply.is_final and is_digest,
            "is_dead": reply.is_final and not is_digest,
            "most": MOST_ATTEMPTS,
            "oldest": at - LONGEST_TRYING,
        }
        connection.execute(FAILED, {**key, **outcome})
        if reply.status in (0, 429) or reply.status >= 500:
            rest = min(LONGEST_PAUSE, max(UNWELL_PAUSE, reply.retry_after or 0.0))
            connection.execute(SET_PACE, {"channel": claim.channel, "next": at + timedelta(seconds=rest)})


def pause(n_attempts: int, reply: Reply) -> float:
    """Seconds until the next try after so many: 2, 4, 8 … an hour, or longer where the server says so."""
    backoff = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(n_attempts - 1, 20))
    return max(backoff, min(LONGEST_PAUSE, reply.retry_after or 0.0))


@dataclass(frozen=True, slots=True)
class _Row:
    """A message that is due; `is_repeat`: its last try was begun and has no outcome, or an unclear one."""

    event_id: UUID
    payload: dict[str, Any]
    attempts: int
    is_alone: bool
    digest_id: UUID | None
    is_repeat: bool
    held: str | None

    @property
    def is_alert(self) -> bool:
        return self.payload.get("type") == "alert"


def _due(connection: Connection, *, channel: str, at: datetime, most: int) -> list[_Row]:
    """At most `most` rows that are due; muted ones are marked on the way, and hold nobody up."""
    while True:
        found = connection.execute(DUE, {"channel": channel, "now": at, "most": most}).fetchall()
        rows = [_Row(*row) for row in found]
        muted = [row.event_id for row in rows if row.held == "muted"]
        if not muted:
            return rows
        connection.execute(MUTE, {"channel": channel, "now": at, "events": muted})
        if len(muted) < len(rows):
            return [row for row in rows if row.held != "muted"]


def _choose(rows: Sequence[_Row], *, limits: Limits) -> list[_Row]:
    """The next message; all of a digest that may have arrived, as it was; a new digest where many wait."""
    if not rows:
        return []
    first = rows[0]
    if first.digest_id is not None and first.is_repeat:
        return [row for row in rows if row.digest_id == first.digest_id]
    together = [row for row in rows if row.is_alert and not row.is_alone and row.digest_id is None]
    is_flood = limits.digest_above is not None and len(together) > limits.digest_above
    return together if is_flood and first in together else [first]


def _parcel(rows: Sequence[_Row], *, channel: str) -> Parcel:
    is_repeat = any(row.is_repeat for row in rows)
    if len(rows) == 1:
        (row,) = rows
        if not row.is_alert:
            return Parcel(str(row.event_id), ready=row.payload, is_repeat=is_repeat)
        return Parcel(str(row.event_id), (_message(row),), is_repeat=is_repeat)
    told = "|".join(sorted(str(row.event_id) for row in rows))
    key = uuid5(NAMESPACE, f"{channel}|{told}")
    return Parcel(str(key), tuple(map(_message, rows)), is_repeat=is_repeat)


def _message(row: _Row) -> AlertMessage:
    return msgspec.convert(row.payload, AlertMessage)
