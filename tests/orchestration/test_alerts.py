"""Alert rules: they fire beyond doubt, once, are delivered once, and resolve."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.channels import Channel, configured_channels
from orchestration.alerts.evaluate import evaluate_rules
from orchestration.alerts.http import Reply, post_json
from orchestration.alerts.outbox import pause, send_outbox
from orchestration.alerts.rules import ShareRule

Connection = psycopg.Connection[TupleRow]

RULE = ShareRule(
    name="failing_share",
    severity="critical",
    threshold=0.25,
    resolve_at=0.20,
    window=timedelta(hours=24),
    minimum_n=30,
)
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def mart(connection: Connection) -> Connection:
    """`marts.failing_hourly`, which the rules read; one rule set has judged all."""
    connection.execute(
        "create table marts.failing_hourly ("
        "hour timestamptz, model text, rule_set_version integer, n_scored bigint, n_failed bigint)"
    )
    connection.execute("insert into evaluation.rule_sets (hash) values ('first')")
    connection.commit()
    return connection


def add_hour(connection: Connection, hour: datetime, *, model: str = "m", n: int, failed: int) -> None:
    connection.execute(
        "insert into marts.failing_hourly values (%s, %s, 1, %s, %s)", (hour, model, n, failed)
    )
    connection.commit()


def evaluate(connection: Connection, now: datetime, *, rule: ShareRule = RULE) -> list[tuple[str, str]]:
    found = evaluate_rules(connection, now=now, rules=[rule])
    connection.commit()
    return [(one.group, one.transition) for one in found]


def state(connection: Connection) -> list[tuple[Any, ...]]:
    with connection.transaction():
        return connection.execute("select group_key, state from alerting.states order by 1").fetchall()


class Webhook(BaseHTTPRequestHandler):
    """Keeps what was posted; answers the statuses it was given, then 200."""

    received: list[tuple[dict[str, Any], str]]
    answers: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((json.loads(body), self.headers["Idempotency-Key"]))
        self.send_response(self.answers.pop(0) if self.answers else 200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        return


@contextmanager
def webhook(*answers: int) -> Iterator[tuple[str, list[tuple[dict[str, Any], str]]]]:
    received: list[tuple[dict[str, Any], str]] = []
    handler = type("Handler", (Webhook,), {"received": received, "answers": list(answers)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()
        thread.join()


def test_a_bad_day_fires_once_and_a_good_one_resolves(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=2), n=100, failed=60)
    add_hour(mart, NOON + DAY - timedelta(hours=2), n=100, failed=5)

    assert evaluate(mart, NOON) == [("m", "firing")]
    assert evaluate(mart, NOON + timedelta(minutes=1)) == []
    assert evaluate(mart, NOON + DAY) == [("m", "resolved")]
    assert evaluate(mart, NOON + DAY + timedelta(minutes=1)) == []


def test_an_alert_does_not_resolve_for_want_of_calls_while_refreshes_fail(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=2), n=100, failed=60)
    later = NOON + DAY
    assert evaluate(mart, NOON) == [("m", "firing")]
    mart.execute(
        "insert into raw.dirty_hours (hour, stage, changed_at) values (%s, 'calls', %s)",
        (later - timedelta(hours=2), later - timedelta(hours=1)),
    )

    assert evaluate(mart, later) == []
    mart.execute("delete from raw.dirty_hours")
    assert evaluate(mart, later + timedelta(minutes=1)) == [("m", "resolved")]


def test_a_replay_of_the_same_moments_changes_nothing(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=2), n=100, failed=60)
    moments = [NOON, NOON + DAY]
    first = [evaluate(mart, moment) for moment in moments]
    again = [evaluate(mart, moment) for moment in moments]

    assert first == [[("m", "firing")], [("m", "resolved")]]
    assert again == [[], []]
    with mart.transaction():
        assert mart.execute("select count(*) from alerting.events").fetchone() == (2,)
        assert mart.execute("select count(*) from alerting.outbox").fetchone() == (2,)


@pytest.mark.parametrize(
    ("n", "failed"),
    [
        pytest.param(29, 29, id="too few calls"),
        pytest.param(100, 30, id="above the threshold, but not beyond doubt"),
        pytest.param(1000, 250, id="at the threshold"),
    ],
)
def test_doubt_does_not_fire(n: int, failed: int, mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), n=n, failed=failed)
    assert evaluate(mart, NOON) == []
    assert state(mart) == []


def test_models_are_judged_apart(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), model="bad", n=100, failed=60)
    add_hour(mart, NOON - timedelta(hours=1), model="good", n=1000, failed=10)
    assert evaluate(mart, NOON) == [("bad", "firing")]


def test_a_share_between_the_two_thresholds_keeps_firing(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), n=100, failed=60)
    add_hour(mart, NOON + DAY - timedelta(hours=1), n=100, failed=23)
    assert evaluate(mart, NOON) == [("m", "firing")]
    assert evaluate(mart, NOON + DAY) == []
    assert state(mart) == [("m", "firing")]


def test_too_few_calls_do_not_resolve_but_none_at_all_do(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), n=100, failed=60)
    add_hour(mart, NOON + DAY - timedelta(hours=1), n=3, failed=0)
    assert evaluate(mart, NOON) == [("m", "firing")]
    assert evaluate(mart, NOON + DAY) == []
    assert evaluate(mart, NOON + 2 * DAY) == [("m", "resolved")]


def test_a_breach_is_pending_until_it_has_held(mart: Connection) -> None:
    patient = ShareRule(
        "failing_share", "warning", 0.25, 0.20, timedelta(hours=24), 30, hold=timedelta(hours=1)
    )
    add_hour(mart, NOON - timedelta(hours=1), n=100, failed=60)
    assert evaluate(mart, NOON, rule=patient) == []
    assert state(mart) == [("m", "pending")]
    assert evaluate(mart, NOON + timedelta(minutes=30), rule=patient) == []
    assert evaluate(mart, NOON + timedelta(hours=1), rule=patient) == [("m", "firing")]


def test_without_a_mart_nothing_happens(connection: Connection) -> None:
    assert evaluate_rules(connection, now=NOON) == []


def test_an_alert_is_delivered_once_as_block_kit(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), model="a<b & c", n=100, failed=60)
    evaluate(mart, NOON)
    with webhook() as (url, received):
        first = send_outbox(mart, channels=[Channel("slack", url)], http=post_json)
        again = send_outbox(mart, channels=[Channel("slack", url)], http=post_json)

    assert (first.n_sent, again.n_sent) == (1, 0)
    [(body, key)] = received
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "context"]
    assert body["metadata"]["event_payload"]["event_id"] == key
    assert "a&lt;b &amp; c: 60.0% of 100 calls failed" in body["blocks"][1]["text"]["text"]


def test_a_message_that_fails_waits_longer_each_time_and_then_goes(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), n=100, failed=60)
    evaluate(mart, NOON)
    start = datetime.now(UTC) + timedelta(seconds=1)
    with webhook(500, 503) as (url, received):
        channels = [Channel("slack", url)]

        def send(seconds: float) -> tuple[int, int]:
            at = start + timedelta(seconds=seconds)
            done = send_outbox(mart, channels=channels, http=post_json, now=at)
            return done.n_sent, done.n_failed

        assert [send(0), send(14), send(15), send(44), send(45), send(46)] == [
            (0, 1),
            (0, 0),
            (0, 1),
            (0, 0),
            (1, 0),
            (0, 0),
        ]
    assert len(received) == 3
    assert len({key for _, key in received}) == 1


def test_resolved_never_comes_before_firing(mart: Connection) -> None:
    add_hour(mart, NOON - timedelta(hours=1), n=100, failed=60)
    evaluate(mart, NOON)
    evaluate(mart, NOON + DAY)
    said: list[str] = []

    def http(url: str, *, body: Any, headers: object) -> Reply:
        said.append(body["metadata"]["event_type"])
        return Reply(500 if len(said) == 1 else 200, "")

    later = datetime.now(UTC) + timedelta(minutes=1)
    channels = [Channel("slack", "http://127.0.0.1")]
    assert send_outbox(mart, channels=channels, http=http, now=later).n_sent == 0
    assert send_outbox(mart, channels=channels, http=http, now=later + timedelta(minutes=1)).n_sent == 2
    assert said == ["lqo_alert_firing", "lqo_alert_firing", "lqo_alert_resolved"]


def test_two_senders_at_once_send_once(mart: Connection, warehouse: DatabaseUrl) -> None:
    add_hour(mart, NOON - timedelta(hours=1), n=100, failed=60)
    evaluate(mart, NOON)
    inside, go = threading.Event(), threading.Event()
    said: list[str] = []

    def slow(url: str, *, body: object, headers: object) -> Reply:
        said.append("slow")
        inside.set()
        assert go.wait(30)
        return Reply(200, "")

    def fast(url: str, *, body: object, headers: object) -> Reply:
        said.append("fast")
        return Reply(200, "")

    channels = [Channel("slack", "http://127.0.0.1")]
    thread = threading.Thread(target=send_outbox, args=(mart,), kwargs={"channels": channels, "http": slow})
    thread.start()
    assert inside.wait(30)
    with connect(warehouse) as other:
        assert send_outbox(other, channels=channels, http=fast).n_sent == 0
    go.set()
    thread.join()
    assert said == ["slow"]


def test_a_server_that_is_away_is_a_failed_try_not_an_error() -> None:
    reply = post_json("http://127.0.0.1:1/hook", body={}, headers={})
    assert reply.status == 0 and reply.detail


def test_the_pause_is_bounded_and_obeys_the_server() -> None:
    assert [pause(n, Reply(500, "")) for n in (0, 1, 2, 50)] == [15, 30, 60, 3600]
    assert pause(0, Reply(429, "", retry_after=120)) == 120


def test_without_a_webhook_messages_wait() -> None:
    assert configured_channels({}) == []
    [channel] = configured_channels({"LQO_SLACK_WEBHOOK_URL": "https://hooks.example/x"})
    assert channel.name == "slack" and "hooks" not in repr(channel)
