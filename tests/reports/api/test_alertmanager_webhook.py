"""Alertmanager's webhook: who may post, and what becomes of alerts of Prometheus' rules."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
import pytest
from litestar.testing import TestClient
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.alerts.actions.role import ensure_actions_role
from reports.alert_history import Notice, group_key, record
from reports.api.alerting_writer import AlertingWriter
from reports.api.app import build_app
from reports.api.doors import build_gate

Connection = psycopg.Connection[TupleRow]
BEGAN = datetime(2026, 11, 22, 10, tzinfo=UTC)
ENDED = BEGAN + timedelta(minutes=7)
TOKEN = "history-0123456789"


class NoActions:
    """People's actions, which these tests do not take."""


def body(**alert: Any) -> dict[str, Any]:
    """The webhook as Alertmanager 0.25 writes it."""
    given = {
        "status": "firing",
        "labels": {"alertname": "GatewayErrorRate", "endpoint": "/v1/embeddings", "severity": "critical"},
        "annotations": {"summary": "it fails", "description": "More than 5 %."},
        "startsAt": "2026-11-22T10:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "8b5c0a1d7f3e2a90",
    }
    return {"version": "4", "status": "firing", "receiver": "history", "alerts": [given | alert]}


def client(url: DatabaseUrl, *, home: Path, token: str | None) -> TestClient[Any]:
    gate = build_gate(Settings(home=home), host="127.0.0.1")
    writer: Any = AlertingWriter(url.psycopg(), actions=NoActions())  # type: ignore[arg-type]
    app = build_app(
        marts=url.psycopg(), receipts=url.psycopg(), gate=gate, alerting=writer, webhook_token=token
    )
    return TestClient(app, base_url="http://127.0.0.1")


def test_a_webhook_with_the_token_is_recorded_once(
    warehouse: DatabaseUrl, maintenance_url: DatabaseUrl, connection: Connection, tmp_path: Path
) -> None:
    login = ensure_actions_role(warehouse, admin=maintenance_url)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    right = {"Authorization": f"Bearer {TOKEN}"}
    with client(login, home=tmp_path, token=f"file:{tmp_path / 'token'}") as opened:
        answers = [
            opened.post(path, json=body(), headers=right).json()
            for path in ("/v1/alerts/alertmanager", "/alerts/alertmanager")
        ]
    assert answers == [{"n_alerts": 1, "n_recorded": 1}, {"n_alerts": 1, "n_recorded": 0}]
    rows = connection.execute(
        "select rule, group_key, severity, message, source from alerting.events"
    ).fetchall()
    group = "endpoint=/v1/embeddings · severity=critical"
    assert rows == [("GatewayErrorRate", group, "critical", "it fails. More than 5 %", "alertmanager")]


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        ("env:HISTORY", {"Authorization": "Bearer wrong"}, 401),
        ("env:HISTORY", {"Authorization": f"Basic {TOKEN}"}, 401),
        ("env:HISTORY", {"Authorization": "Bearer 한국어".encode()}, 401),
        ("env:HISTORY", {}, 401),
        ("env:MISSING", {"Authorization": f"Bearer {TOKEN}"}, 503),
        (TOKEN, {"Authorization": f"Bearer {TOKEN}"}, 503),
        (None, {"Authorization": "Bearer "}, 503),
    ],
)
def test_without_the_token_nothing_is_written(
    warehouse: DatabaseUrl,
    connection: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    token: str | None,
    headers: dict[str, Any],
    status: int,
) -> None:
    monkeypatch.setenv("HISTORY", TOKEN)
    with client(warehouse, home=tmp_path, token=token) as opened:
        answer = opened.post("/v1/alerts/alertmanager", json=body(), headers=headers)
    assert answer.status_code == status
    assert TOKEN not in answer.text
    assert connection.execute("select count(*) from alerting.events").fetchone() == (0,)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"alerts": [{"status": 5}]}', '{"alerts": "x"}'])
def test_what_is_no_webhook_is_refused_in_a_line(
    warehouse: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HISTORY", TOKEN)
    with client(warehouse, home=tmp_path, token="env:HISTORY") as opened:
        answer = opened.post(
            "/v1/alerts/alertmanager", content=text, headers={"Authorization": f"Bearer {TOKEN}"}
        )
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")


def notice(**given: Any) -> Notice:
    fields: dict[str, Any] = {
        "fingerprint": "8b5c0a1d7f3e2a90",
        "is_firing": True,
        "starts_at": BEGAN,
        "ends_at": datetime(1, 1, 1, tzinfo=UTC),
        "labels": {
            "alertname": "SpoolFilling",
            "instance": "a:8080",
            "severity": "warning",
            "job": "lqo-proxy",
        },
        "annotations": {},
    }
    return Notice(**(fields | given))


def states(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select rule, state, since, severity from alerting.states order by 1, 4"
    ).fetchall()


def test_an_alert_that_ends_resolves_whatever_comes_late(connection: Connection) -> None:
    over = notice(is_firing=False, ends_at=ENDED)
    assert record(connection, [notice(), over]) == 2
    assert record(connection, [over, notice()]) == 0
    assert states(connection) == [("SpoolFilling", "resolved", ENDED, "warning")]
    again = notice(starts_at=ENDED + timedelta(hours=1))
    assert record(connection, [again]) == 1
    assert states(connection) == [("SpoolFilling", "firing", again.starts_at, "warning")]
    outbox = connection.execute("select count(*) from alerting.outbox").fetchone()
    assert outbox == (0,)


def test_a_rule_may_fire_as_a_warning_and_as_critical(connection: Connection) -> None:
    critical = notice(labels=notice().labels | {"severity": "critical"}, fingerprint="0000000000000001")
    record(connection, [notice(), critical])
    assert [severity for *_, severity in states(connection)] == ["critical", "warning"]


def test_hostile_alerts_are_recorded_as_text(connection: Connection) -> None:
    long = notice(
        labels={"alertname": "a\x00b", "user": "한" * 10_000, "severity": "fatal"},
        annotations={"description": "x" * 1_000_000, "summary": "\ud800"},
    )
    assert record(connection, [long, notice(labels={}, fingerprint="")]) == 2
    rows = connection.execute(
        "select rule, severity, length(message) from alerting.events order by 1"
    ).fetchall()
    assert rows == [("(unnamed)", "warning", 0), ("a�b", "warning", 4000)]


def test_many_long_labels_are_recorded_and_stay_apart(connection: Connection) -> None:
    def busy(last: str) -> Notice:
        noise = {f"l{number}": token_hex(250) for number in range(20)}
        return notice(labels={"alertname": "Busy", **noise, "z": last}, fingerprint=last)

    assert record(connection, [busy("a"), busy("b")]) == 2
    assert connection.execute("select count(*) from alerting.states").fetchone() == (2,)


def test_our_own_alerts_get_a_note_and_no_event(connection: Connection) -> None:
    ours = notice(labels={"lqo_fingerprint": "f"}, annotations={"event_id": "no id"})
    assert record(connection, [ours, notice(labels={"lqo_fingerprint": "f"})]) == 0
    assert connection.execute("select count(*) from alerting.events").fetchone() == (0,)


def test_groups_read_as_those_of_the_engine() -> None:
    assert group_key({}) == "all"
    assert group_key({"model": "gpt-4o"}) == "gpt-4o"
    assert group_key({"model": "gpt-4o", "user": "u"}) == "model=gpt-4o · user=u"
