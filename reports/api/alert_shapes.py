"""What answers say of alerts, and of what people did about them. Times are UTC."""

from datetime import datetime
from uuid import UUID

import msgspec


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert now, as `marts.alert_states` has it.

    `since` is when it came into its state. `labels` are the rule's, `dimensions` what it is grouped by.
    Acknowledged is an alert that fires, until it ends. `silenced_until` and `muted_until` are null where
    nothing holds its messages back.
    """

    fingerprint: str | None
    rule: str
    group_key: str
    dimensions: dict[str, str]
    labels: dict[str, str]
    state: str
    since: datetime
    value: float | None
    threshold: float | None
    n: int | None
    severity: str | None
    owner: str | None
    message: str | None
    source: str
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    acknowledgement_note: str | None
    silenced_until: datetime | None
    muted_until: datetime | None
    evaluated_at: datetime


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """Who has taken an alert on. `is_new` false: it was so before this request, and stays."""

    fingerprint: str | None
    rule: str
    group_key: str
    event_id: UUID
    acknowledged_by: str
    acknowledged_at: datetime
    note: str
    is_new: bool


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence, as `marts.alert_silences` has it; `*` stands for every rule or group, null for every
    severity or owner."""

    silence_id: UUID
    rule: str
    group_key: str
    severity: str | None
    owner: str | None
    labels: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    state: str
    reason: str
    created_by: str
    created_at: datetime


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """A mute, as `marts.alert_mutes` has it: nothing of the rule's alerts of that time is ever sent."""

    mute_id: UUID
    rule: str
    starts_at: datetime
    ends_at: datetime
    state: str
    reason: str
    created_by: str
    created_at: datetime
