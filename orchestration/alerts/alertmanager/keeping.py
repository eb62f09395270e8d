"""Alertmanager forgets an alert that nobody posts again: what fires is posted each minute."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import dict_row

from orchestration.alerts.alertmanager.channel import NAME, alertmanager_channel
from orchestration.alerts.message import AlertMessage

MOST_AT_ONCE = 200

# What was told as it began is told again. What has no message for Alertmanager began before it was
# configured; what has one that is not out yet waits for the sender, or for the end of quiet hours. One that
# was given up, as Alertmanager was away for a day, is told here: it still fires.
FIRING: LiteralString = """
select
    states.rule, states.group_key, states.dimensions, states.labels, states.severity, states.owner,
    states.message, states.value, states.threshold, states.n, states.since, states.breached_at,
    states.fingerprint, states.event_id, outbox.payload
from alerting.states
left join alerting.outbox on outbox.event_id = states.event_id and outbox.channel = %(channel)s
where states.state = 'firing'
    and states.source <> 'alertmanager'
    and states.event_id is not null
    and states.fingerprint is not null
    and (outbox.event_id is null or outbox.sent_at is not null or outbox.dead_at is not null)
    and (outbox.event_id is not null or coalesce(states.held_until, %(now)s) <= %(now)s)
order by states.rule, states.group_key
"""


class AlertmanagerError(RuntimeError):
    """It did not take what fires; the message is one line. The next beat tries again."""


def keep_alive(connection: psycopg.Connection[Any], *, environ: Mapping[str, str], now: datetime) -> int:
    """Post all that fires, so that it goes on there; how many they are. Nothing without `ALERTMANAGER_URL`.

    Raises AlertmanagerError, psycopg.Error.
    """
    channel = alertmanager_channel(environ)
    if channel is None:
        return 0
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(FIRING, {"channel": NAME, "now": now}).fetchall()
    messages = [_message(row) for row in rows]
    refused = ""
    for start in range(0, len(messages), MOST_AT_ONCE):
        reply = channel.post_alerts(messages[start : start + MOST_AT_ONCE])
        refused = refused if reply.is_ok else reply.detail
        if reply.status == 0 and refused:
            break
    # Said at the end: an alert that is refused must not let those of other requests end.
    if refused:
        raise AlertmanagerError(f"Alertmanager did not take what fires: {refused}")
    return len(messages)


def _message(row: Mapping[str, Any]) -> AlertMessage:
    if row["payload"] is not None:
        return msgspec.convert(row["payload"], AlertMessage)
    return AlertMessage(
        event_id=row["event_id"],
        fingerprint=row["fingerprint"],
        rule=row["rule"],
        group_key=row["group_key"],
        group=row["dimensions"],
        transition="firing",
        severity=row["severity"] or "warning",
        owner=row["owner"] or "",
        summary=f"{row['rule']}: {row['group_key']}",
        message=row["message"] or "",
        happened_at=row["since"],
        since=row["breached_at"] or row["since"],
        value=row["value"],
        threshold=row["threshold"],
        n=row["n"],
        labels=row["labels"],
    )
