"""Alerts of Prometheus' rules as rows of `alerting`: recorded, never sent on, and the same again is nothing.

What the alert engine posted comes back, too. Its events are there already: they get a note that Alertmanager
told of them, and no second event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, LiteralString
from uuid import UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

NAMESPACE = UUID("0b5f6c52-6d0e-5d0e-9c52-5a4a5d1f2a77")
SEVERITIES = frozenset({"critical", "warning", "info"})
LONGEST_TEXT = 4000
LONGEST_NAME = 500
# What an alert is of, beside its rule: labels without those that every alert has.
_COMMON = frozenset({"alertname", "owner", "component", "job", "source"})
_OURS = "lqo_fingerprint"

PUT_EVENT: LiteralString = """
insert into alerting.events (
    event_id, rule, group_key, transition, severity, message, happened_at, since, fingerprint, dimensions,
    labels, owner, source
)
values (
    %(event_id)s, %(rule)s, %(group_key)s, %(transition)s, %(severity)s, %(message)s, %(happened_at)s,
    %(starts_at)s, %(fingerprint)s, %(dimensions)s, %(labels)s, %(owner)s, 'alertmanager'
)
on conflict (event_id) do nothing
"""
# A notice may come late or twice: only what happened later than the state changes it.
PUT_STATE: LiteralString = """
insert into alerting.states (
    rule, group_key, state, since, evaluated_at, fingerprint, dimensions, labels, severity, owner, message,
    event_id, breached_at, source
)
values (
    %(rule)s, %(group_key)s, %(transition)s, %(happened_at)s, now(), %(fingerprint)s, %(dimensions)s,
    %(labels)s, %(severity)s, %(owner)s, %(message)s, %(event_id)s, %(starts_at)s, 'alertmanager'
)
on conflict (rule, group_key) do update set
    state = excluded.state,
    since = excluded.since,
    evaluated_at = excluded.evaluated_at,
    severity = excluded.severity,
    owner = excluded.owner,
    message = excluded.message,
    event_id = excluded.event_id,
    breached_at = excluded.breached_at,
    labels = excluded.labels
where states.source = 'alertmanager' and excluded.since >= states.since
"""
NOTE: LiteralString = """
update alerting.events
set details = details || jsonb_build_object('alertmanager_at', now())
where event_id = %(event_id)s and transition = %(transition)s and not details ? 'alertmanager_at'
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert that Alertmanager told of. `ends_at` has a meaning only where it does not fire."""

    fingerprint: str
    is_firing: bool
    starts_at: datetime
    ends_at: datetime
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def transition(self) -> str:
        return "firing" if self.is_firing else "resolved"


def record(connection: psycopg.Connection[Any], notices: Sequence[Notice]) -> int:
    """Write what is new, in the caller's transaction; how many events are new or newly noted."""
    # Always in the same order, so that two webhooks at once wait for one another in turn.
    ordered = sorted(notices, key=lambda notice: (notice.fingerprint, notice.starts_at, not notice.is_firing))
    return sum(_record_one(connection, notice) for notice in ordered)


def _record_one(connection: psycopg.Connection[Any], notice: Notice) -> int:
    if _OURS in notice.labels:
        event_id = _uuid(notice.annotations.get("event_id", ""))
        if event_id is None:
            return 0
        values = {"event_id": event_id, "transition": notice.transition}
        return connection.execute(NOTE, values).rowcount
    values = row_of(notice)
    n_new = connection.execute(PUT_EVENT, values).rowcount
    connection.execute(PUT_STATE, values)
    return n_new


def row_of(notice: Notice) -> dict[str, Any]:
    """The event and the state as columns. An alert's id follows from what it is and when it began."""
    labels = {
        _text(name, most=LONGEST_NAME): _text(value, most=LONGEST_NAME)
        for name, value in notice.labels.items()
    }
    severity = labels.get("severity", "")
    dimensions = {name: value for name, value in sorted(labels.items()) if name not in _COMMON}
    said = [notice.annotations.get(name, "") for name in ("summary", "description")]
    return {
        "event_id": uuid5(
            NAMESPACE, f"{notice.fingerprint}|{notice.transition}|{notice.starts_at.isoformat()}"
        ),
        "rule": labels.get("alertname") or "(unnamed)",
        "group_key": group_key(dimensions),
        "transition": notice.transition,
        "severity": severity if severity in SEVERITIES else "warning",
        "message": _text(". ".join(part.rstrip(".") for part in said if part), most=LONGEST_TEXT),
        "happened_at": notice.starts_at if notice.is_firing else notice.ends_at,
        "starts_at": notice.starts_at,
        "fingerprint": _text(notice.fingerprint, most=LONGEST_NAME),
        "dimensions": Jsonb(dimensions),
        "labels": Jsonb(
            {name: value for name, value in labels.items() if name in _COMMON - {"alertname", "owner"}}
        ),
        "owner": labels.get("owner") or None,
    }


def group_key(dimensions: dict[str, str]) -> str:
    """As of the engine's rules: one dimension is its value, several are named, none is `all`.

    The severity is one of them: a rule may fire as a warning and as critical at once. A long one is cut and
    gets a digest of the whole, since an index of Postgres holds 2,704 bytes a row.
    """
    if len(dimensions) == 1:
        return next(iter(dimensions.values()))
    key = " · ".join(f"{name}={value}" for name, value in dimensions.items()) or "all"
    if len(key) <= LONGEST_NAME:
        return key
    return f"{key[: LONGEST_NAME - 18]}… {sha256(key.encode()).hexdigest()[:16]}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _text(value: str, *, most: int) -> str:
    """Without what Postgres cannot hold, and not longer than `most` characters."""
    clean = value.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"
