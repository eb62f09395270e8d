"""Silences: messages wait while one holds, and none is lost."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from orchestration.alerts.channels import Channel
from orchestration.alerts.http import Reply
from orchestration.alerts.outbox import send_outbox
from orchestration.alerts.silences import add_silence, end_silence

Connection = psycopg.Connection[TupleRow]

SLACK = [Channel("slack", "http://127.0.0.1:1/hook")]


class Answering:
    """A channel that takes everything."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def __call__(self, url: str, *, body: Any, headers: Mapping[str, str]) -> Reply:
        self.taken.append(body)
        return Reply(200, "")


def add_message(connection: Connection, *, transition: str = "firing", group: str = "m") -> None:
    event = uuid4()
    connection.execute(
        "insert into alerting.events (event_id, rule, group_key, transition, severity, message, happened_at)"
        " values (%s, 'failing_share', %s, %s, 'critical', 'it fires', now())",
        (event, group, transition),
    )
    connection.execute(
        "insert into alerting.outbox (event_id, channel, payload) values (%s, 'slack', %s)",
        (event, Jsonb({"group": group})),
    )
    connection.commit()


def send(connection: Connection, *, minutes: float = 1) -> list[Any]:
    """What is sent `minutes` from now."""
    channel = Answering()
    send_outbox(connection, channels=SLACK, http=channel, now=datetime.now(UTC) + timedelta(minutes=minutes))
    return channel.taken


def silence(connection: Connection, **covers: str) -> Any:
    until = datetime.now(UTC) + timedelta(hours=1)
    made = add_silence(connection, ends_at=until, reason="known", created_by="ops", **covers)
    connection.commit()
    return made


@pytest.mark.parametrize("covers", [{}, {"rule": "failing_share"}, {"rule": "failing_share", "group": "m"}])
def test_a_silence_holds_a_message_back_until_it_ends(connection: Connection, covers: dict[str, str]) -> None:
    silence(connection, **covers)
    add_message(connection)
    assert send(connection) == []
    assert send(connection, minutes=61) == [{"group": "m"}]


def test_a_silence_that_is_ended_early_lets_its_messages_go(connection: Connection) -> None:
    made = silence(connection)
    add_message(connection)
    assert send(connection) == []
    assert end_silence(connection, made)
    assert not end_silence(connection, made)
    connection.commit()
    assert send(connection) == [{"group": "m"}]


@pytest.mark.parametrize("covers", [{"rule": "another"}, {"group": "another"}])
def test_other_alerts_are_heard(connection: Connection, covers: dict[str, str]) -> None:
    silence(connection, **covers)
    add_message(connection)
    assert send(connection) == [{"group": "m"}]


def test_a_change_of_evaluators_is_told_whatever_is_silent(connection: Connection) -> None:
    silence(connection)
    add_message(connection, transition="changed")
    assert send(connection) == [{"group": "m"}]
