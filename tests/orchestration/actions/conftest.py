"""Alerts written by hand, a channel that takes everything, and people who act: one database a module."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.actions.wording import Author
from orchestration.alerts.delivery.channel import Limits, Parcel, Reply
from orchestration.alerts.delivery.sender import send_waiting
from tests.conftest import create_database, drop_database

Connection = psycopg.Connection[TupleRow]

KIM = Author("kim")
RULES = frozenset({"failing_share", "judge_grades"})


def later(**span: float) -> datetime:
    return datetime.now(UTC) + timedelta(**span)


@dataclass
class Taking:
    """A channel that takes everything."""

    name: str = "slack"
    limits: Limits = field(default_factory=Limits)
    taken: list[Any] = field(default_factory=list[Any])

    def deliver(self, parcel: Parcel) -> Reply:
        assert parcel.ready is not None
        self.taken.append(parcel.ready["said"])
        return Reply(200, "")


@dataclass(frozen=True, slots=True)
class Alerts:
    """Writes alerts as the engine does, each with one message."""

    connection: Connection

    def event(
        self,
        transition: str = "firing",
        *,
        rule: str = "failing_share",
        group: str = "m",
        at: datetime | None = None,
        said: str | None = None,
        **about: Any,
    ) -> UUID:
        """An event, with its state and a message that says `said` (default the transition)."""
        event_id, moment = uuid4(), at or datetime.now(UTC)
        fingerprint = sha256(f"{rule}|{group}".encode()).hexdigest()[:16]
        given = {"severity": "critical", "owner": None, "labels": Jsonb(about.pop("labels", {})), **about}
        self.connection.execute(
            "insert into alerting.events (event_id, fingerprint, rule, group_key, transition, message,"
            " happened_at, severity, owner, labels)"
            " values (%(id)s, %(mark)s, %(rule)s, %(group)s, %(transition)s, 'it is', %(at)s, %(severity)s,"
            " %(owner)s, %(labels)s)",
            {
                "id": event_id,
                "mark": fingerprint,
                "rule": rule,
                "group": group,
                "transition": transition,
                "at": moment,
                **given,
            },
        )
        if transition in ("firing", "resolved"):
            self.state(transition, rule=rule, group=group, event_id=event_id, at=moment)
        self.connection.execute(
            "insert into alerting.outbox (event_id, channel, payload, order_key, happened_at)"
            " values (%s, 'slack', %s, %s, %s)",
            (event_id, Jsonb({"said": said or transition}), f"{rule}|{group}", moment),
        )
        self.connection.commit()
        return event_id

    def state(
        self,
        state: str,
        *,
        rule: str = "failing_share",
        group: str = "m",
        event_id: UUID | None = None,
        at: datetime | None = None,
    ) -> str:
        """The state of an alert; gives its fingerprint."""
        fingerprint = sha256(f"{rule}|{group}".encode()).hexdigest()[:16]
        self.connection.execute(
            "insert into alerting.states"
            " (rule, group_key, fingerprint, state, since, value, n, severity, evaluated_at, event_id)"
            " values (%(rule)s, %(group)s, %(mark)s, %(state)s, %(at)s, 0.4, 90, 'critical', %(at)s, %(id)s)"
            " on conflict (rule, group_key) do update set state = excluded.state, since = excluded.since,"
            " event_id = coalesce(excluded.event_id, states.event_id)",
            {
                "rule": rule,
                "group": group,
                "mark": fingerprint,
                "state": state,
                "at": at or datetime.now(UTC),
                "id": event_id if state == "firing" else None,
            },
        )
        self.connection.commit()
        return fingerprint

    def send(self, *, minutes: float = 0) -> list[Any]:
        """What leaves, `minutes` from now."""
        channel = Taking()
        send_waiting(self.connection, channels=[channel], now=later(minutes=minutes))
        return channel.taken

    def count(self, table: str) -> int:
        row = self.connection.execute(f"select count(*) from alerting.{table}".encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def desk_url(maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, template: str) -> Iterator[DatabaseUrl]:
    name = f"lqo_desk_{uuid4().hex}"
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=template)
        yield owner_url.with_database(name)
        drop_database(maintenance, name)


@pytest.fixture
def alerts(desk_url: DatabaseUrl) -> Iterator[Alerts]:
    """Nothing fires, and nobody has done anything."""
    with connect(desk_url, application_name="tests") as opened:
        opened.execute(
            "truncate alerting.states, alerting.events, alerting.outbox, alerting.channel_pace,"
            " alerting.silences, alerting.mutes, alerting.acknowledgements, alerting.actions cascade"
        )
        opened.commit()
        yield Alerts(opened)
        opened.rollback()
