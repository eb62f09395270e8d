"""The engine's alerts through a real Alertmanager: told once, silenced, resolved, and back as history."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from orchestration.alerts.alertmanager import keeping
from orchestration.alerts.alertmanager.channel import NAME, AlertmanagerChannel, alertmanager_channel
from orchestration.alerts.alertmanager.keeping import AlertmanagerError, keep_alive
from orchestration.alerts.delivery.channel import Parcel
from orchestration.alerts.delivery.channels import build_channels
from orchestration.alerts.delivery.plan import current_plan
from orchestration.alerts.delivery.sender import Delivery, send_waiting
from orchestration.alerts.message import AlertMessage
from reports.alert_history import record
from reports.api.alertmanager import Webhook, notices_of
from tests.infra.alertmanager_server import TOKEN, Alertmanager, running_alertmanager
from tests.infra.receivers import Receiver, receiving

# One Alertmanager for all of them, not one a worker.
pytestmark = pytest.mark.xdist_group("alertmanager")

Connection = psycopg.Connection[TupleRow]
HOUR_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture(scope="module")
def slack() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def history() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def alertmanager(
    tmp_path_factory: pytest.TempPathFactory, slack: Receiver, history: Receiver
) -> Iterator[Alertmanager]:
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    with running_alertmanager(folder, slack=slack, history=history) as running:
        yield running


def message(rule: str, **given: Any) -> AlertMessage:
    fields = {
        "event_id": uuid4(),
        "fingerprint": f"{abs(hash(rule)):016x}"[:16],
        "rule": rule,
        "group_key": "gpt-4o",
        "group": {"model": "gpt-4o"},
        "transition": "firing",
        "severity": "critical",
        "owner": "quality",
        "summary": "gpt-4o fails",
        "message": "60 % of 100 calls failed",
        "happened_at": HOUR_AGO,
        "since": HOUR_AGO,
    }
    return msgspec.convert(fields | given, AlertMessage)


def of(rule: str, bodies: list[Any]) -> list[Any]:
    """The messages at the receiver that are of a rule."""
    return [body for body in bodies if rule in body["attachments"][0]["title"]]


def deliver(alertmanager: Alertmanager, *messages: AlertMessage) -> None:
    reply = AlertmanagerChannel(alertmanager.url).deliver(Parcel(key="k", messages=messages))
    assert reply.is_ok, reply


def put_firing(connection: Connection, told: AlertMessage, *, is_sent: bool = True) -> None:
    """The rows that the engine and the outbox have of an alert that fires."""
    connection.execute(
        "insert into alerting.events (event_id, rule, group_key, transition, severity, message, happened_at)"
        " values (%s, %s, %s, 'firing', %s, %s, %s)",
        (told.event_id, told.rule, told.group_key, told.severity, told.message, told.happened_at),
    )
    connection.execute(
        "insert into alerting.outbox (event_id, channel, payload, sent_at, order_key, happened_at)"
        " values (%s, %s, %s, %s, %s, %s)",
        (
            told.event_id,
            NAME,
            Jsonb(msgspec.to_builtins(told)),
            told.happened_at if is_sent else None,
            told.fingerprint,
            told.happened_at,
        ),
    )
    connection.execute(
        "insert into alerting.states (rule, group_key, state, since, evaluated_at, fingerprint, event_id,"
        " severity, dimensions) values (%s, %s, 'firing', %s, %s, %s, %s, %s, %s)",
        (
            told.rule,
            told.group_key,
            told.since,
            told.happened_at,
            told.fingerprint,
            told.event_id,
            told.severity,
            Jsonb(told.group),
        ),
    )


def test_an_alert_reaches_slack_and_comes_back_and_so_does_its_end(
    alertmanager: Alertmanager, slack: Receiver, history: Receiver, connection: Connection
) -> None:
    told = message("back_and_forth")
    put_firing(connection, told)
    deliver(alertmanager, told)
    deliver(alertmanager, told)
    slack.wait(lambda bodies: len(of("back_and_forth", bodies)) == 1)
    ended = message(
        "back_and_forth",
        transition="resolved",
        happened_at=HOUR_AGO + timedelta(minutes=50),
        since=HOUR_AGO,
        event_id=uuid4(),
    )
    connection.execute(
        "insert into alerting.events (event_id, rule, group_key, transition, severity, message, happened_at)"
        " values (%s, %s, 'gpt-4o', 'resolved', 'critical', 'm', %s)",
        (ended.event_id, ended.rule, ended.happened_at),
    )
    deliver(alertmanager, ended)
    titles = [
        body["attachments"][0]["title"]
        for body in of("back_and_forth", slack.wait(lambda b: len(of("back_and_forth", b)) == 2))
    ]
    assert [title[0] for title in titles] == ["🔴", "🟢"]
    known = {str(told.event_id), str(ended.event_id)}
    came_back = history.wait(lambda bodies: known <= set(event_ids(bodies)))
    assert {headers["Authorization"] for _, headers, _ in history.received} == {f"Bearer {TOKEN}"}
    for body in [*came_back, *came_back]:
        record(connection, notices_of(msgspec.convert(body, Webhook, strict=False)))
    rows = connection.execute(
        "select transition, details ? 'alertmanager_at', source from alerting.events"
        " where rule = 'back_and_forth' order by happened_at"
    ).fetchall()
    assert rows == [("firing", True, "engine"), ("resolved", True, "engine")]


def event_ids(bodies: list[Any]) -> list[str]:
    return [each["annotations"].get("event_id", "") for body in bodies for each in body["alerts"]]


def test_a_silence_there_holds_an_alert_back(alertmanager: Alertmanager, slack: Receiver) -> None:
    alertmanager.silence(alertname="silenced_there")
    deliver(alertmanager, message("silenced_there"))
    deliver(alertmanager, message("not_silenced"))
    slack.wait(lambda bodies: len(of("not_silenced", bodies)) == 1)
    states = {each["labels"]["alertname"]: each["status"]["state"] for each in alertmanager.alerts()}
    assert states["silenced_there"] == "suppressed"
    assert of("silenced_there", slack.bodies) == []


def test_critical_speaks_for_the_warning_of_the_same_rule_and_group(
    alertmanager: Alertmanager, slack: Receiver
) -> None:
    deliver(alertmanager, message("two_severities", severity="critical"))
    slack.wait(lambda bodies: len(of("two_severities", bodies)) == 1)
    deliver(
        alertmanager,
        message("two_severities", severity="warning"),
        message("two_severities", severity="warning", group={"model": "other"}, group_key="other"),
    )
    slack.wait(lambda bodies: len(of("two_severities", bodies)) == 2)
    suppressed = [
        each["labels"]["model"]
        for each in alertmanager.alerts()
        if each["labels"]["alertname"] == "two_severities" and each["status"]["state"] == "suppressed"
    ]
    assert suppressed == ["gpt-4o"]


def test_hostile_text_reaches_slack_as_text(alertmanager: Alertmanager, slack: Receiver) -> None:
    hostile = "<!channel> <https://evil.example|click> & 한국어 🎈"
    deliver(
        alertmanager,
        message(
            "hostile", summary=hostile, message="x" * 1_000_000, group={"user_id": hostile}, group_key=hostile
        ),
    )
    (body,) = of("hostile", slack.wait(lambda bodies: len(of("hostile", bodies)) == 1))
    text = body["attachments"][0]["text"]
    assert "<" not in text
    assert "&lt;!channel&gt;" in text and "한국어 🎈" in text
    assert len(text) < 10_000


def test_what_fires_is_posted_again_and_what_waits_is_not(
    alertmanager: Alertmanager, connection: Connection
) -> None:
    put_firing(connection, message("kept_alive"))
    put_firing(connection, message("not_out_yet"), is_sent=False)
    environ = {"ALERTMANAGER_URL": f"{alertmanager.url}/"}
    assert keep_alive(connection, environ=environ, now=datetime.now(UTC)) == 1
    first = ends_at(alertmanager, "kept_alive")
    assert keep_alive(connection, environ=environ, now=datetime.now(UTC)) == 1
    assert ends_at(alertmanager, "kept_alive") >= first
    named = {each["labels"]["alertname"] for each in alertmanager.alerts()}
    assert "not_out_yet" not in named
    assert keep_alive(connection, environ={}, now=datetime.now(UTC)) == 0


def test_the_sender_carries_the_outbox_to_alertmanager(
    alertmanager: Alertmanager, slack: Receiver, connection: Connection, tmp_path: Path
) -> None:
    put_firing(connection, message("from_the_outbox"), is_sent=False)
    put_firing(connection, message("beside_it"), is_sent=False)
    environ = {"ALERTMANAGER_URL": alertmanager.url, "LQO_HOME": str(tmp_path)}
    (channel,) = build_channels(current_plan(environ), environ)
    assert send_waiting(connection, channels=[channel]) == Delivery(n_sent=2)
    slack.wait(lambda bodies: len(of("from_the_outbox", bodies)) == len(of("beside_it", bodies)) == 1)
    assert keep_alive(connection, environ=environ, now=datetime.now(UTC)) == 2


def test_what_was_given_up_and_what_is_refused_let_nothing_else_end(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_AT_ONCE", 1)
    put_firing(connection, message("a_refused"))
    put_firing(connection, message("b_given_up"), is_sent=False)
    connection.execute("update alerting.outbox set dead_at = now() where sent_at is null")
    with receiving() as receiver:
        statuses = iter((400, 200))
        receiver.answer = lambda: next(statuses)
        with pytest.raises(AlertmanagerError, match="HTTP 400"):
            keep_alive(connection, environ={"ALERTMANAGER_URL": receiver.url}, now=datetime.now(UTC))
        named = [each[0]["labels"]["alertname"] for each in receiver.bodies]
    assert named == ["a_refused", "b_given_up"]


def ends_at(alertmanager: Alertmanager, rule: str) -> str:
    return next(each["endsAt"] for each in alertmanager.alerts() if each["labels"]["alertname"] == rule)


def test_an_alertmanager_that_is_away_is_said_in_a_line(connection: Connection) -> None:
    put_firing(connection, message("nobody_there"))
    with pytest.raises(AlertmanagerError, match="did not take what fires"):
        keep_alive(connection, environ={"ALERTMANAGER_URL": "http://127.0.0.1:1"}, now=datetime.now(UTC))
    channel = alertmanager_channel({"ALERTMANAGER_URL": "http://127.0.0.1:1"})
    assert channel is not None
    assert not channel.deliver(Parcel(key="k", messages=(message("r"),))).is_ok
    assert channel.deliver(Parcel(key="k", ready={"blocks": []})).is_final
    assert alertmanager_channel({"ALERTMANAGER_URL": " "}) is None
