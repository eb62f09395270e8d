"""What fires now, and what happened to an alert: its events, their messages, and what people did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow, dict_row
from psycopg.types.json import Jsonb

from orchestration.alerts.actions.find import Alert

LIST_OPEN: LiteralString = """
select
    fingerprint, state, severity, rule, group_key, date_trunc('second', since) as since, value, threshold, n,
    owner, acknowledged_by, date_trunc('second', acknowledged_at) as acknowledged_at,
    date_trunc('second', silenced_until) as silenced_until,
    date_trunc('second', muted_until) as muted_until, source
from alerting.alerts
where state <> 'resolved'
order by
    state = 'firing' desc, array_position(array['critical', 'warning', 'info'], severity), since, rule,
    group_key
"""
_NOW: LiteralString = """
select * from alerting.alerts where rule = %(rule)s and group_key = %(group)s
"""
# An event, its messages as they stand, and what people did about it: each a line, by time.
_STORY: LiteralString = """
with events as (
    select * from alerting.events where rule = %(rule)s and group_key = %(group)s
),
lines as (
    select
        happened_at as at, transition as what, severity as who, message as said, 1 as place, event_id
    from events
    union all
    select
        coalesce(outbox.sent_at, outbox.dead_at, outbox.muted_at, events.happened_at),
        case
            when outbox.sent_at is not null then 'sent'
            when outbox.dead_at is not null then 'given up'
            when outbox.muted_at is not null then 'not sent (muted)'
            else coalesce(alerting.held_back(events, now()), 'waits')
        end,
        outbox.channel,
        concat_ws(
            ', ',
            outbox.attempts || case outbox.attempts when 1 then ' try' else ' tries' end,
            outbox.dead_reason,
            outbox.last_error
        ),
        2,
        outbox.event_id
    from events
    inner join alerting.outbox using (event_id)
    union all
    select
        actions.acted_at,
        actions.action,
        actions.acted_by,
        concat_ws(', until ', nullif(actions.note, ''), to_char(actions.ends_at, 'YYYY-MM-DD HH24:MI TZ')),
        3,
        actions.event_id
    from alerting.actions
    left join alerting.silences using (silence_id)
    where actions.rule in ('*', %(rule)s)
        and actions.group_key in ('*', %(group)s)
        and (
            silences.silence_id is null
            or alerting.covers(
                silences.rule, silences.group_key, silences.severity, silences.owner, silences.labels,
                %(rule)s, %(group)s, %(severity)s, %(owner)s, %(labels)s
            )
        )
)
select at, what, who, said, event_id from lines order by at, place
"""
_HISTORY: LiteralString = """
with lines as (
    select
        happened_at as at, transition as what, rule, group_key, severity, owner as who, value,
        message as said,
        (
            select count(sent_at) || ' of ' || count(*) from alerting.outbox
            where outbox.event_id = events.event_id
        ) as messages_sent,
        fingerprint, source
    from alerting.events
    where happened_at >= now() - make_interval(days => %(days)s)
    union all
    select
        acted_at, action, rule, group_key, null, acted_by, null, note, null, fingerprint, via
    from alerting.actions
    where acted_at >= now() - make_interval(days => %(days)s)
)
select * from lines order by at desc
"""


@dataclass(frozen=True, slots=True)
class Story:
    """An alert's state now by column, and its lines: names of columns, and rows by time."""

    now: Mapping[str, Any]
    names: list[str]
    rows: list[tuple[Any, ...]]


def tell(connection: psycopg.Connection[TupleRow], alert: Alert) -> Story:
    """All that is known of an alert, since ever."""
    key = {"rule": alert.rule, "group": alert.group_key}
    with connection.cursor(row_factory=dict_row) as cursor:
        now = cursor.execute(_NOW, key).fetchone()
    assert now is not None
    about = {"severity": now["severity"], "owner": now["owner"], "labels": Jsonb(now["labels"])}
    names, rows = _read(connection, _STORY, {**key, **about})
    return Story(now, names, rows)


def history(
    connection: psycopg.Connection[TupleRow], *, days: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Events and actions of the last `days`, newest first: names of columns, and rows."""
    return _read(connection, _HISTORY, {"days": days})


def _read(
    connection: psycopg.Connection[TupleRow], query: LiteralString, values: Mapping[str, Any]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    cursor = connection.execute(query, values)
    return [column.name for column in cursor.description or ()], cursor.fetchall()
