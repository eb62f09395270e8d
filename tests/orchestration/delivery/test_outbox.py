"""The outbox: every message once, in order, through failures, crashes, floods; a possible repeat says so."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.delivery.channel import Limits, Reply
from orchestration.alerts.delivery.claims import claim_next, pause, settle
from orchestration.alerts.delivery.dead import put_back
from orchestration.alerts.delivery.outbox import drop_points, put_message, put_ready, reroute
from orchestration.alerts.delivery.plan import Plan
from orchestration.alerts.delivery.sender import Delivery, send_waiting
from tests.orchestration.delivery.messages import NOON, Taking, alert, hostile_alert, lay

Connection = psycopg.Connection[TupleRow]

DOWN = Reply(500, "HTTP 500")
LOST = Reply(0, "no answer", is_uncertain=True)
FINAL = Reply(404, "HTTP 404: no_service", is_final=True)


@pytest.fixture
def start() -> datetime:
    """A moment after all that a test lays down."""
    return datetime.now(UTC) + timedelta(minutes=10)


def send(
    outbox: Connection, channel: Taking, at: datetime, *, after: float = 0.0, most: int = 50
) -> Delivery:
    return send_waiting(outbox, channels=[channel], now=at + timedelta(seconds=after), most=most)


def rows(outbox: Connection, columns: str) -> list[tuple[Any, ...]]:
    with outbox.transaction():
        return outbox.execute(
            f"select {columns} from alerting.outbox order by happened_at, event_id".encode()
        ).fetchall()


def test_an_alert_goes_out_once_with_its_event_as_key(outbox: Connection, start: datetime) -> None:
    channel = Taking()
    lay(outbox, alert(), alert())
    assert send(outbox, channel, start) == Delivery(1, 0)
    assert send(outbox, channel, start) == Delivery(0, 0)
    [parcel] = channel.taken
    assert parcel.messages == (alert(),)
    assert parcel.headers == {"Idempotency-Key": str(alert().event_id)}


def test_a_message_that_fails_waits_longer_each_time_and_then_goes(
    outbox: Connection, start: datetime
) -> None:
    lay(outbox, alert())
    channel = Taking([DOWN, DOWN])
    moments = (0, 1.9, 2, 5.9, 6, 7)
    assert [send(outbox, channel, start, after=moment) for moment in moments] == [
        Delivery(0, 1),
        Delivery(),
        Delivery(0, 1),
        Delivery(),
        Delivery(1, 0),
        Delivery(),
    ]
    assert [parcel.is_repeat for parcel in channel.taken] == [False, False, False]
    assert len({parcel.key for parcel in channel.taken}) == 1


def test_a_lost_answer_makes_the_next_try_a_possible_repeat(outbox: Connection, start: datetime) -> None:
    lay(outbox, alert())
    channel = Taking([LOST, DOWN])
    for after in (0, 10, 100):
        send(outbox, channel, start, after=after)
    assert [parcel.is_repeat for parcel in channel.taken] == [False, True, True]
    assert channel.taken[1].headers["X-LQO-Repeat"] == "possible"


def test_a_sender_that_died_is_followed_by_a_marked_repeat_once_its_lease_is_over(
    outbox: Connection, start: datetime
) -> None:
    lay(outbox, alert())
    assert claim_next(outbox, channel="slack", limits=Limits(lease_seconds=30), now=start) is not None
    channel = Taking()
    assert send(outbox, channel, start, after=29) == Delivery()
    assert send(outbox, channel, start, after=31) == Delivery(1, 0)
    assert channel.taken[0].is_repeat


def test_an_outcome_that_comes_after_the_lease_changes_nothing(outbox: Connection, start: datetime) -> None:
    lay(outbox, alert())
    late = claim_next(outbox, channel="slack", limits=Limits(lease_seconds=1), now=start)
    assert late is not None
    second = claim_next(outbox, channel="slack", limits=Limits(), now=start + timedelta(seconds=2))
    assert second is not None and second.parcel.is_repeat
    settle(outbox, late, FINAL, now=start + timedelta(seconds=3))
    assert rows(outbox, "dead_at, sent_at") == [(None, None)]
    settle(outbox, second, Reply(200, ""), now=start + timedelta(seconds=4))
    assert rows(outbox, "sent_at is not null") == [(True,)]


def test_two_senders_at_once_send_once(outbox: Connection, outbox_url: DatabaseUrl, start: datetime) -> None:
    lay(outbox, alert())
    inside, go = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        assert go.wait(30)

    slow, fast = Taking(on_deliver=hold), Taking()
    thread = threading.Thread(target=send, args=(outbox, slow, start))
    thread.start()
    assert inside.wait(30)
    with connect(outbox_url) as other:
        assert send(other, fast, start) == Delivery()
    go.set()
    thread.join()
    assert len(slow.taken) == 1


def test_resolved_never_comes_before_firing_and_others_do_not_wait(
    outbox: Connection, start: datetime
) -> None:
    later = alert(transition="resolved", happened_at=NOON + timedelta(hours=1))
    other = alert(7, happened_at=NOON + timedelta(hours=2))
    lay(outbox, later, alert(), other)
    channel = Taking([DOWN])
    send(outbox, channel, start, most=1)
    send(outbox, channel, start, after=1.5)
    send(outbox, channel, start, after=5)
    told = [(parcel.messages[0].group_key, parcel.messages[0].transition) for parcel in channel.taken]
    assert told == [("g0", "firing"), ("g7", "firing"), ("g0", "firing"), ("g0", "resolved")]


def test_what_cannot_heal_is_a_dead_letter_at_once_and_can_be_put_back(
    outbox: Connection, start: datetime
) -> None:
    lay(outbox, alert())
    channel = Taking([FINAL])
    assert send(outbox, channel, start) == Delivery(0, 1)
    assert rows(outbox, "dead_at is not null, dead_reason") == [(True, "HTTP 404: no_service")]
    assert send(outbox, channel, start, after=86_400) == Delivery()
    assert put_back(outbox, event=alert().event_id, channel="slack") == 1
    assert put_back(outbox) == 0
    assert send(outbox, channel, start, after=60) == Delivery(1, 0)


def test_a_day_of_failures_is_a_dead_letter(outbox: Connection, start: datetime) -> None:
    lay(outbox, alert())
    channel = Taking([DOWN] * 1000)
    for hours in range(0, 27):
        send(outbox, channel, start, after=hours * 3_700)
    assert rows(outbox, "dead_at is not null") == [(True,)]
    assert len(channel.taken) <= 26


def test_a_dead_letter_does_not_hold_back_what_follows_it(outbox: Connection, start: datetime) -> None:
    lay(outbox, alert(), alert(transition="resolved", happened_at=NOON + timedelta(hours=1)))
    channel = Taking([FINAL])
    assert send(outbox, channel, start) == Delivery(1, 1)


def test_a_channel_keeps_its_rate_whoever_sends(
    outbox: Connection, outbox_url: DatabaseUrl, start: datetime
) -> None:
    lay(outbox, *(alert(n) for n in range(4)))
    channel = Taking(limits=Limits(per_minute=60))
    with connect(outbox_url) as other:
        sent = [
            send(connection, channel, start, after=after).n_sent
            for connection, after in ((outbox, 0), (other, 0.5), (other, 1), (outbox, 1.9), (outbox, 2))
        ]
    assert sent == [1, 0, 1, 0, 1]


def test_a_channel_that_asks_for_patience_gets_it_for_all_its_messages(
    outbox: Connection, start: datetime
) -> None:
    lay(outbox, alert(0), alert(1))
    channel = Taking([Reply(429, "HTTP 429", retry_after=30.0)])
    moments = (0, 10, 29, 30)
    assert [send(outbox, channel, start, after=at).n_sent for at in moments] == [0, 0, 0, 2]


def test_another_channel_does_not_wait_for_it(outbox: Connection, start: datetime) -> None:
    lay(outbox, alert(), channels=("slack", "mail"))
    slack, mail = Taking([DOWN]), Taking(name="mail")
    assert send_waiting(outbox, channels=[slack, mail], now=start) == Delivery(1, 1)


def test_a_flood_goes_as_a_digest_that_names_every_alert(outbox: Connection, start: datetime) -> None:
    lay(outbox, *(alert(n) for n in range(45)))
    channel = Taking(limits=Limits(digest_above=10))
    assert send(outbox, channel, start) == Delivery(45, 0)
    first, *others = channel.taken
    assert len(first.messages) == 40 and len(others) == 5
    told = [message.event_id for parcel in channel.taken for message in parcel.messages]
    assert len(set(told)) == 45
    assert len({key for (key,) in rows(outbox, "digest_id") if key}) == 1
    assert all(sent for (sent,) in rows(outbox, "sent_at is not null"))


def test_few_messages_go_one_by_one(outbox: Connection, start: datetime) -> None:
    lay(outbox, *(alert(n) for n in range(10)))
    channel = Taking(limits=Limits(digest_above=10))
    send(outbox, channel, start)
    assert [len(parcel.messages) for parcel in channel.taken] == [1] * 10


def test_a_digest_whose_answer_was_lost_is_repeated_as_it_was(outbox: Connection, start: datetime) -> None:
    lay(outbox, *(alert(n) for n in range(12)))
    channel = Taking([LOST], limits=Limits(digest_above=10))
    send(outbox, channel, start)
    lay(outbox, alert(99, happened_at=NOON - timedelta(hours=1)))
    send(outbox, channel, start, after=10)
    digests = [parcel for parcel in channel.taken if len(parcel.messages) > 1]
    assert [len(parcel.messages) for parcel in digests] == [12, 12]
    assert digests[0].key == digests[1].key
    assert (digests[0].is_repeat, digests[1].is_repeat) == (False, True)


def test_one_bad_message_does_not_take_its_digest_along(outbox: Connection, start: datetime) -> None:
    lay(outbox, *(alert(n) for n in range(12)))
    channel = Taking([FINAL, FINAL], limits=Limits(digest_above=10))
    send(outbox, channel, start)
    send(outbox, channel, start, after=10)
    assert [len(parcel.messages) for parcel in channel.taken] == [12, *[1] * 12]
    assert sorted(rows(outbox, "dead_at is not null")) == [*[(False,)] * 11, (True,)]


def test_a_ready_payload_goes_as_it_is_and_never_in_a_digest(outbox: Connection, start: datetime) -> None:
    lay(outbox, *(alert(n) for n in range(12)))
    report = alert(50, rule="weekly_report", happened_at=NOON + timedelta(hours=1))
    lay(outbox, report, channels=())
    values = {"payload": {"text": "the week"}, "at": report.happened_at, "order_key": "weekly"}
    assert put_ready(outbox, event_id=report.event_id, channel="slack", **values)
    assert not put_ready(outbox, event_id=report.event_id, channel="slack", **values)
    channel = Taking(limits=Limits(digest_above=10))
    send(outbox, channel, start)
    assert [parcel.ready for parcel in channel.taken] == [None, {"text": "the week"}]


def test_a_silence_holds_a_message_until_it_ends(outbox: Connection, start: datetime) -> None:
    lay(outbox, alert())
    outbox.execute(
        "insert into alerting.silences (rule, ends_at, reason, created_by) values ('*', %s, 'known', 'ops')",
        (start + timedelta(hours=1),),
    )
    outbox.commit()
    channel = Taking()
    assert send(outbox, channel, start) == Delivery()
    assert send(outbox, channel, start, after=3_601) == Delivery(1, 0)


def test_text_that_postgres_cannot_keep_is_kept_and_no_megabyte_goes_out(
    outbox: Connection, start: datetime
) -> None:
    message = hostile_alert()
    outbox.execute(
        "insert into alerting.events (event_id, rule, group_key, transition, severity, message, happened_at)"
        " values (%s, 'r', 'g', 'firing', 'info', 'm', %s)",
        (message.event_id, message.happened_at),
    )
    assert put_message(outbox, message, channels=["slack"]) == ["slack"]
    assert put_message(outbox, message, channels=["slack", "mail"]) == ["mail"]
    channel = Taking()
    send(outbox, channel, start)
    [kept] = channel.taken[0].messages
    assert len(kept.message) <= 4_000 and "한국어 🙂" in kept.message
    assert "\x00" not in kept.rule and "\ud800" not in kept.rule


def test_alerts_that_waited_for_a_readable_file_are_routed_later(outbox: Connection, start: datetime) -> None:
    lay(outbox, alert(0), alert(1), channels=("unrouted",))
    assert reroute(outbox, Plan({}, problem="channels.yaml:3: broken")) == 0
    assert reroute(outbox, Plan({}, default=("slack", "mail"))) == 2
    assert reroute(outbox, Plan({}, default=("slack", "mail"))) == 0
    slack, mail = Taking(), Taking(name="mail")
    assert send_waiting(outbox, channels=[slack, mail], now=start) == Delivery(4, 0)


def test_what_waits_for_an_alertmanager_that_is_switched_off_goes_to_the_channels(
    outbox: Connection, start: datetime
) -> None:
    lay(outbox, alert(0), alert(1), channels=("alertmanager",))
    assert reroute(outbox, Plan({}, default=("slack",), to_alertmanager=True)) == 0
    assert reroute(outbox, Plan({}, default=("slack",))) == 2
    assert send_waiting(outbox, channels=[Taking()], now=start) == Delivery(2, 0)


def test_the_charts_of_a_month_ago_go_and_the_words_stay(outbox: Connection) -> None:
    lay(outbox, alert(0), alert(1), alert(2))
    for n, days in ((0, 32), (1, 29)):
        outbox.execute(
            "update alerting.outbox set sent_at = now() - make_interval(days => %s) where event_id = %s",
            (days, alert(n).event_id),
        )
    assert (drop_points(outbox), drop_points(outbox)) == (1, 0)
    kept = rows(outbox, "payload ->> 'group_key', payload ? 'points'")
    assert sorted(kept) == [("g0", False), ("g1", True), ("g2", True)]


def test_an_error_of_our_own_is_a_failed_try(outbox: Connection, start: datetime) -> None:
    def fail() -> None:
        raise RuntimeError("a bug\nin a channel")

    lay(outbox, alert())
    assert send(outbox, Taking(on_deliver=fail), start) == Delivery(0, 1)
    assert rows(outbox, "last_error") == [("RuntimeError: a bug in a channel",)]


def test_the_pause_is_bounded_and_obeys_the_server() -> None:
    assert [pause(n, DOWN) for n in (1, 2, 3, 50)] == [2, 4, 8, 3600]
    assert pause(1, Reply(429, "", retry_after=120)) == 120
    assert pause(1, Reply(429, "", retry_after=1e12)) == 3600
