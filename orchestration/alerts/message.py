"""What an alert says, whoever it is said to: channels render it, the outbox keeps it as JSON."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Transition = Literal["firing", "resolved", "changed", "failed"]


class Link(msgspec.Struct, frozen=True):
    """Where to look next: a dashboard, a Dagster run, a query."""

    title: str
    url: str


class Point(msgspec.Struct, frozen=True):
    """A step of the chart; None: nothing was measured."""

    at: datetime
    value: float | None


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True, tag="alert", tag_field="type"):
    """One transition of one rule and group, complete enough to be rendered without the database.

    `group` holds the names and values of the group-by; `group_key` is its text as in `alerting.states`.
    `fingerprint` is the same for all transitions of a rule and group; `event_id` is of this one.
    `value`, `threshold` and `baseline` are in `unit`; None: there is none. `since` is when the breach began.
    """

    event_id: UUID
    fingerprint: str
    rule: str
    group_key: str
    group: dict[str, str]
    transition: Transition
    severity: Literal["critical", "warning", "info"]
    owner: str
    summary: str
    message: str
    happened_at: datetime
    since: datetime
    value: float | None = None
    threshold: float | None = None
    baseline: float | None = None
    n: int | None = None
    unit: str = "number"
    labels: dict[str, str] = {}
    links: list[Link] = []
    points: list[Point] = []
    runbook: str | None = None
    channels: list[str] = []
