"""Laying messages into `alerting.outbox`, in the transaction of what they tell of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from orchestration.alerts.delivery.plan import ALERTMANAGER, UNROUTED, Plan
from orchestration.alerts.delivery.routing import route
from orchestration.alerts.delivery.text import storable
from orchestration.alerts.message import AlertMessage, Link

Connection = psycopg.Connection[TupleRow]

LONGEST_TEXT = 4_000
"""Characters of a text that go to channels; `alerting.events` keeps what the engine wrote."""
MOST_ENTRIES, MOST_POINTS = 30, 500

PUT: LiteralString = """
insert into alerting.outbox (event_id, channel, payload, order_key, happened_at)
values (%(event_id)s, %(channel)s, %(payload)s, %(order_key)s, %(at)s)
on conflict (event_id, channel) do nothing
"""
WAITING_UNROUTED: LiteralString = """
select event_id, channel, payload from alerting.outbox
where channel = any(%(channels)s) and sent_at is null and dead_at is null and muted_at is null
    and (claimed_until is null or claimed_until <= now())
order by happened_at limit 500
for update skip locked
"""
# A day longer than links to charts last; nobody asks for the points of an older message.
DROP_POINTS: LiteralString = """
update alerting.outbox set payload = payload - 'points'
where sent_at < now() - interval '31 days' and sent_at > now() - interval '93 days' and payload ? 'points'
"""
TAKE_OUT: LiteralString = "delete from alerting.outbox where event_id = %s and channel = %s"


def put_message(connection: Connection, message: AlertMessage, *, channels: Sequence[str]) -> list[str]:
    """Lay the alert into the outbox; returns the channels that did not have it yet.

    Runs in the caller's transaction, which has written the event. What Postgres cannot keep is replaced, and
    what no reader would read to the end is clipped.
    """
    kept = fit(message)
    payload, key = msgspec.to_builtins(kept), order_key(kept.rule, kept.group_key)
    return [
        channel
        for channel in channels
        if put_ready(
            connection,
            event_id=kept.event_id,
            channel=channel,
            payload=payload,
            at=kept.happened_at,
            order_key=key,
        )
    ]


def put_ready(
    connection: Connection,
    *,
    event_id: UUID,
    channel: str,
    payload: dict[str, Any],
    at: datetime,
    order_key: str,
) -> bool:
    """Lay a payload that was made elsewhere into the outbox, once a channel; False where it has it."""
    values = {
        "event_id": event_id,
        "channel": channel,
        "payload": Jsonb(_clean(payload)),
        "order_key": order_key,
    }
    return connection.execute(PUT, {**values, "at": at}).rowcount == 1


def order_key(rule: str, group_key: str) -> str:
    """What keeps its order: "resolved" never comes before "firing"."""
    return f"{storable(rule)}|{storable(group_key)}"


def fit(message: AlertMessage) -> AlertMessage:
    """The message as the outbox can keep it: no NUL, no lone surrogate, no megabyte."""
    return msgspec.structs.replace(
        message,
        rule=_short(message.rule),
        group_key=_short(message.group_key),
        group=_pairs(message.group),
        owner=_short(message.owner),
        summary=_short(message.summary),
        message=_short(message.message),
        labels=_pairs(message.labels),
        links=[Link(_short(one.title), _short(one.url)) for one in message.links[:MOST_ENTRIES]],
        runbook=None if message.runbook is None else _short(message.runbook),
        points=message.points[-MOST_POINTS:],
    )


def reroute(connection: Connection, plan: Plan) -> int:
    """Route what waits since the plan could not be read, or for an Alertmanager that is not set any more; how
    many alerts. Nothing while the plan cannot be read."""
    if plan.problem is not None:
        return 0
    left = [UNROUTED] if plan.to_alertmanager else [UNROUTED, ALERTMANAGER]
    with connection.transaction():
        rows = connection.execute(WAITING_UNROUTED, {"channels": left}).fetchall()
        for event_id, channel, payload in rows:
            message = msgspec.convert(payload, AlertMessage)
            put_message(connection, message, channels=route(message, plan))
            connection.execute(TAKE_OUT, (event_id, channel))
    return len(rows)


def drop_points(connection: Connection) -> int:
    """Take the charts out of messages that were sent a month ago: nine tenths of their size; how many."""
    return connection.execute(DROP_POINTS).rowcount


def _clean(value: Any) -> Any:
    """Every text of a JSON value as Postgres can keep it."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(name)): _clean(one) for name, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list) else value


def _pairs(given: dict[str, str]) -> dict[str, str]:
    return {_short(name): _short(value) for name, value in list(given.items())[:MOST_ENTRIES]}


def _short(text: str) -> str:
    return storable(text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…")
