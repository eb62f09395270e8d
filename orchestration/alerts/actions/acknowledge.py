"""Acknowledging: somebody has taken an alert on, until it ends; one that comes back needs a new one."""

from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow, class_row

from orchestration.alerts.actions import wording
from orchestration.alerts.actions.errors import ActionError
from orchestration.alerts.actions.find import Alert
from orchestration.alerts.actions.record import record
from orchestration.alerts.actions.wording import Author
from reports.api.alert_shapes import Acknowledgement

_PUT: LiteralString = """
insert into alerting.acknowledgements (event_id, acknowledged_by, note)
values (%s, %s, %s)
on conflict (event_id) do nothing
"""
_SELECT: LiteralString = """
select
    events.fingerprint, events.rule, events.group_key, event_id, acknowledged_by, acknowledged_at, note,
    %s as is_new
from alerting.acknowledgements
inner join alerting.events using (event_id)
where event_id = %s
"""


def acknowledge(
    connection: psycopg.Connection[TupleRow], alert: Alert, *, by: Author, note: str = ""
) -> Acknowledgement:
    """Take a firing alert on; where somebody already has, theirs stays and is given.

    Raises ActionError for one that does not fire.
    """
    by, said = by.checked(), wording.note(note, field="note")
    if alert.state != "firing":
        raise ActionError(
            f"{alert} does not fire: it is {alert.state} since {alert.since:%Y-%m-%d %H:%M} UTC",
            kind="conflict",
        )
    if alert.event_id is None:
        raise ActionError(f"{alert} fires, but its beginning is not on record", kind="conflict")
    with connection.transaction():
        is_new = connection.execute(_PUT, (alert.event_id, by.name, said)).rowcount == 1
        if is_new:
            record(
                connection,
                "acknowledged",
                by=by,
                rule=alert.rule,
                group=alert.group_key,
                fingerprint=alert.fingerprint,
                event_id=alert.event_id,
                note=said,
            )
        with connection.cursor(row_factory=class_row(Acknowledgement)) as cursor:
            found = cursor.execute(_SELECT, (is_new, alert.event_id)).fetchone()
    assert found is not None
    return found
