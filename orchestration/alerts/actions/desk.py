"""The actions as the analytics API asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.actions.acknowledge import acknowledge
from orchestration.alerts.actions.errors import ActionError, Kind
from orchestration.alerts.actions.find import by_fingerprint
from orchestration.alerts.actions.known import defined_rules
from orchestration.alerts.actions.mutes import end_mute, mute
from orchestration.alerts.actions.silences import Matcher, add_silence, end_silence
from orchestration.alerts.actions.wording import Author
from reports.api.alert_port import AcknowledgeWish, Actor, MuteWish, RefusedError, SilenceWish
from reports.api.alert_shapes import Acknowledgement, Mute, Silence

_STATUS: Final[dict[Kind, Literal[400, 404, 409]]] = {"bad": 400, "unknown": 404, "conflict": 409}


@dataclass(frozen=True, slots=True)
class AlertDesk:
    """Satisfies `AlertActions` of the API; `folder` holds the users' rules, which are read anew each time."""

    folder: Path | None

    def acknowledge(
        self,
        connection: psycopg.Connection[TupleRow],
        fingerprint: str,
        *,
        wish: AcknowledgeWish,
        by: Actor,
    ) -> Acknowledgement:
        with _told():
            alert = by_fingerprint(connection, fingerprint)
            return acknowledge(connection, alert, by=_author(by), note=wish.note)

    def silence(self, connection: psycopg.Connection[TupleRow], wish: SilenceWish, *, by: Actor) -> Silence:
        with _told():
            return add_silence(
                connection,
                Matcher(wish.rule, wish.group_key, wish.severity, wish.owner, wish.labels),
                starts_at=wish.starts_at,
                ends_at=wish.ends_at,
                reason=wish.reason,
                by=_author(by),
                rules=defined_rules(self.folder),
                is_unseen=wish.unseen,
            )

    def end_silence(self, connection: psycopg.Connection[TupleRow], silence_id: UUID, *, by: Actor) -> None:
        with _told():
            end_silence(connection, silence_id, by=_author(by))

    def mute(self, connection: psycopg.Connection[TupleRow], wish: MuteWish, *, by: Actor) -> Mute:
        with _told():
            return mute(
                connection,
                wish.rule,
                ends_at=wish.ends_at,
                reason=wish.reason,
                by=_author(by),
                rules=defined_rules(self.folder),
            )

    def end_mute(self, connection: psycopg.Connection[TupleRow], mute_id: UUID, *, by: Actor) -> None:
        with _told():
            end_mute(connection, mute_id, by=_author(by))


def _author(by: Actor) -> Author:
    return Author(by.name, via="api" if by.key_id is None else f"api {by.key_id}")


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a wish, as the client is told of it."""
    try:
        yield
    except ActionError as error:
        raise RefusedError(_STATUS[error.kind], str(error)) from error
