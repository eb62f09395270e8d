"""What the API asks of whoever acts on alerts: it imports nobody who does."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import TupleRow

from reports.api.alert_shapes import Acknowledgement, Mute, Silence

Moment = Annotated[
    datetime, msgspec.Meta(tz=True, description="With a time zone, such as 2027-01-31T12:00:00Z.")
]
By = Annotated[
    str | None, msgspec.Meta(description="Who asks, where no key says so. With a key it is an error.")
]


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends; a field that there is not is an error, as it is most likely a misspelt one."""

    by: By = None


class AcknowledgeWish(Wish, frozen=True, kw_only=True):
    """Take a firing alert on."""

    note: str = ""


class SilenceWish(Wish, frozen=True, kw_only=True):
    """Hold messages back; all that is said must fit an alert. `unseen`: the group has not alerted yet."""

    ends_at: Moment
    reason: str
    rule: str = "*"
    group_key: str = "*"
    severity: Literal["critical", "warning", "info"] | None = None
    owner: str | None = None
    labels: dict[str, str] = {}
    starts_at: Moment | None = None
    unseen: bool = False


class MuteWish(Wish, frozen=True, kw_only=True):
    """Send nothing of a rule."""

    rule: str
    ends_at: Moment
    reason: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, and the id of the key (None: a program on this machine)."""

    name: str
    key_id: str | None


class RefusedError(Exception):
    """It cannot be done: a status and a line for the client."""

    def __init__(self, status: Literal[400, 404, 409], detail: str) -> None:
        super().__init__(detail)
        self.status = status


class AlertActions(Protocol):
    """Each in a transaction of the caller; raises RefusedError."""

    def acknowledge(
        self,
        connection: psycopg.Connection[TupleRow],
        fingerprint: str,
        *,
        wish: AcknowledgeWish,
        by: Actor,
    ) -> Acknowledgement: ...

    def silence(
        self, connection: psycopg.Connection[TupleRow], wish: SilenceWish, *, by: Actor
    ) -> Silence: ...

    def end_silence(
        self, connection: psycopg.Connection[TupleRow], silence_id: UUID, *, by: Actor
    ) -> None: ...

    def mute(self, connection: psycopg.Connection[TupleRow], wish: MuteWish, *, by: Actor) -> Mute: ...

    def end_mute(self, connection: psycopg.Connection[TupleRow], mute_id: UUID, *, by: Actor) -> None: ...
