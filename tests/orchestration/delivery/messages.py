"""Alerts for tests, and channels that take or refuse them as they are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.delivery.channel import Limits, Parcel, Reply
from orchestration.alerts.delivery.outbox import put_message
from orchestration.alerts.message import AlertMessage, Link, Point

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPACE = UUID("11111111-1111-4111-8111-111111111111")
HOSTILE = (
    "<!channel> <@U123> @everyone @here <script>alert(1)</script> *bold* `code` [x](https://evil.example) "
    "한국어 🙂 a\r\nBcc: evil@example.com\x00\x1b[31m\ud800\u202e\u2066 ](https://evil.example) &amp;"
)


def alert(n: int = 0, **given: Any) -> AlertMessage:
    """An alert of the group g0, g1 …; `given` replaces fields."""
    happened_at = given.get("happened_at", NOON)
    known: dict[str, Any] = {
        "event_id": uuid5(SPACE, f"{n}|{given.get('transition', 'firing')}|{happened_at}"),
        "fingerprint": f"{n:016x}",
        "rule": "failing_share",
        "group_key": f"g{n}",
        "group": {"model": f"g{n}"},
        "transition": "firing",
        "severity": "critical",
        "owner": "search",
        "summary": "Too many calls of a model fail.",
        "message": f"g{n}: 60.0% of 100 calls failed in the last 24 h",
        "happened_at": happened_at,
        "since": happened_at - timedelta(minutes=35),
        "value": 0.6,
        "threshold": 0.25,
        "n": 100,
        "unit": "share",
        "links": [Link("Dashboard", "https://lqo.example/d/quality?var-model=g0&from=now-24h")],
        "runbook": "https://lqo.example/runbook",
        "points": [Point(happened_at - timedelta(hours=24 - h), h / 40) for h in range(25)],
    }
    return AlertMessage(**known | given)


def hostile_alert() -> AlertMessage:
    """An alert whose every text is hostile, one of them a megabyte long."""
    link = Link(HOSTILE, "https://evil.example/>|<!channel>\"onclick='x'")
    return alert(
        rule=HOSTILE,
        group_key=HOSTILE,
        group={HOSTILE: HOSTILE, "second": HOSTILE},
        owner=HOSTILE,
        summary=HOSTILE,
        message=HOSTILE + "🙂" * 1_000_000,
        labels={HOSTILE: HOSTILE},
        links=[link, Link("bad", "javascript:alert(1)"), Link("data", "data:text/html,x")],
        runbook="https://lqo.example/" + "x" * 5_000,
    )


def lay(
    connection: psycopg.Connection[TupleRow], *messages: AlertMessage, channels: tuple[str, ...] = ("slack",)
) -> None:
    """Write events and their messages, as the engine does."""
    for message in messages:
        connection.execute(
            "insert into alerting.events"
            " (event_id, rule, group_key, transition, severity, message, happened_at)"
            " values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            (
                *(message.event_id, message.rule, message.group_key, message.transition),
                *(message.severity, "it fires", message.happened_at),
            ),
        )
        put_message(connection, message, channels=channels)
    connection.commit()


@dataclass(slots=True)
class Taking:
    """A channel that keeps parcels; answers what it was given, then 200."""

    answers: list[Reply] = field(default_factory=list[Reply])
    name: str = "slack"
    limits: Limits = field(default_factory=Limits)
    taken: list[Parcel] = field(default_factory=list[Parcel])
    on_deliver: Callable[[], None] = lambda: None

    def deliver(self, parcel: Parcel) -> Reply:
        self.on_deliver()
        self.taken.append(parcel)
        return self.answers.pop(0) if self.answers else Reply(200, "")


@dataclass(slots=True)
class Posted:
    """Takes the place of an HTTP POST."""

    answers: list[Reply] = field(default_factory=list[Reply])
    requests: list[tuple[str, bytes, dict[str, str]]] = field(
        default_factory=list[tuple[str, bytes, dict[str, str]]]
    )

    def __call__(
        self, url: str, *, body: bytes, headers: Mapping[str, str], allow_http: bool = False
    ) -> Reply:
        self.requests.append((url, body, dict(headers)))
        return self.answers.pop(0) if self.answers else Reply(200, "")
