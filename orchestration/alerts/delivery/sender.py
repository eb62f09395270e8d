"""One sender at work: claim, deliver, settle."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.delivery.channel import Channel, Reply
from orchestration.alerts.delivery.claims import Claim, claim_next, settle
from orchestration.alerts.delivery.text import one_line

Connection = psycopg.Connection[TupleRow]

MOST_PER_CALL = 50


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a call of the sender did, in messages; a digest counts as many as it holds."""

    n_sent: int = 0
    n_failed: int = 0

    def __add__(self, other: "Delivery") -> "Delivery":
        return Delivery(self.n_sent + other.n_sent, self.n_failed + other.n_failed)


def send_waiting(
    connection: Connection,
    *,
    channels: Sequence[Channel],
    now: datetime | None = None,
    most: int = MOST_PER_CALL,
) -> Delivery:
    """Send what is due, at most `most` requests a channel; commits what is open on the connection.

    At least once: only a try whose outcome is not known is made again, and it says that it is possibly a
    repeat. The key goes along as `Idempotency-Key` and in the message. `now` (None: the server's clock) is
    for replays.
    """
    connection.commit()
    done = Delivery()
    for channel in channels:
        for _ in range(most):
            claim = claim_next(connection, channel=channel.name, limits=channel.limits, now=now)
            if claim is None:
                break
            reply = deliver(channel, claim)
            settle(connection, claim, reply, now=now)
            done += outcome(claim, reply)
    return done


def deliver(channel: Channel, claim: Claim) -> Reply:
    """The channel's reply; an error of our own in it is a failed try, since other messages must go on."""
    try:
        return channel.deliver(claim.parcel)
    except Exception as error:
        return Reply(0, one_line(f"{type(error).__name__}: {error}", most=200), is_uncertain=True)


def outcome(claim: Claim, reply: Reply) -> Delivery:
    """One delivery in numbers."""
    return Delivery(claim.n_messages, 0) if reply.is_ok else Delivery(0, claim.n_messages)
