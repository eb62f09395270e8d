"""What changed for a rule and group: one row of `alerting.events`, and what its messages are made of."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

# An event's id follows from what it says, so a second evaluation of the same moment writes nothing new.
NAMESPACE = UUID("6f1c2f0e-4f3e-5d51-9b1a-3a1f5f0c7a11")

Kind = Literal["firing", "resolved", "changed", "report"]
Source = Literal["engine", "dagster", "evaluator", "alertmanager"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A rule began or ceased to fire for a group; `event_id` is the same whoever finds out, and again.

    `group` is the group's text, `dimensions` its names and values. `value`, `threshold` and `baseline` are in
    the metric's unit; None: there is nothing to say a figure of. `since` is when the breach began. `details`
    is what the figures rest on, as JSON.
    """

    event_id: UUID
    rule: str
    group: str
    transition: Kind
    severity: str
    message: str
    happened_at: datetime
    value: float | None = None
    threshold: float | None = None
    n: int | None = None
    baseline: float | None = None
    fingerprint: str | None = None
    dimensions: dict[str, str] = field(default_factory=dict[str, str])
    labels: dict[str, str] = field(default_factory=dict[str, str])
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    owner: str | None = None
    since: datetime | None = None
    source: Source = "engine"


def event_id_of(rule: str, group: str, transition: str, happened_at: datetime) -> UUID:
    """The id of a transition at a moment."""
    return uuid5(NAMESPACE, f"{rule}|{group}|{transition}|{happened_at.isoformat()}")
