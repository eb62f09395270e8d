"""Mutes: what a rule says while it is mute is recorded, and never sent."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.actions.errors import ActionError
from orchestration.alerts.actions.mutes import end_mute, mute, unmute
from orchestration.alerts.actions.silences import Matcher, add_silence
from orchestration.alerts.actions.wording import Author
from reports.api.alert_shapes import Mute
from tests.orchestration.actions.conftest import KIM, RULES, Alerts, later


def muted(alerts: Alerts, rule: str = "failing_share", *, hours: float = 1, reason: str = "wrong") -> Mute:
    made = mute(alerts.connection, rule, ends_at=later(hours=hours), reason=reason, by=KIM, rules=RULES)
    alerts.connection.commit()
    return made


def unmuted(alerts: Alerts, rule: str = "failing_share") -> bool:
    is_ended = unmute(alerts.connection, rule, by=KIM, rules=RULES)
    alerts.connection.commit()
    return is_ended


def test_what_a_mute_rule_says_is_recorded_and_never_sent(alerts: Alerts) -> None:
    muted(alerts)
    for transition in ("firing", "resolved", "changed"):
        alerts.event(transition, group=transition)
    assert alerts.send() == []
    assert alerts.send(minutes=61) == []
    assert alerts.count("events") == 3


def test_a_silence_delays_what_a_mute_drops(alerts: Alerts) -> None:
    muted(alerts)
    add_silence(
        alerts.connection,
        Matcher("judge_grades"),
        ends_at=later(hours=1),
        reason="x",
        by=KIM,
        rules=RULES,
    )
    alerts.event(said="muted")
    alerts.event(rule="judge_grades", said="silenced")
    assert alerts.send() == []
    assert alerts.send(minutes=61) == ["silenced"]


def test_what_a_rule_says_after_its_mute_is_heard(alerts: Alerts) -> None:
    muted(alerts)
    alerts.event(said="old")
    assert unmuted(alerts)
    assert not unmuted(alerts)
    alerts.event(group="other", said="new")
    assert alerts.send() == ["new"]


def test_nobody_hears_the_end_of_what_nobody_heard_begin(alerts: Alerts) -> None:
    muted(alerts)
    alerts.event("firing")
    unmuted(alerts)
    alerts.event("resolved")
    assert alerts.send() == []
    alerts.event("firing", said="again")
    alerts.event("resolved", said="over again")
    assert alerts.send() == ["again", "over again"]


def test_the_end_of_what_was_heard_is_told_after_the_mute(alerts: Alerts) -> None:
    alerts.event("firing")
    assert alerts.send() == ["firing"]
    muted(alerts)
    unmuted(alerts)
    alerts.event("resolved")
    assert alerts.send() == ["resolved"]


def test_what_waits_as_a_mute_begins_is_old_when_it_ends(alerts: Alerts) -> None:
    alerts.event(at=later(minutes=-5))
    muted(alerts)
    assert alerts.send() == []
    assert alerts.send(minutes=61) == []


def test_other_rules_are_heard_and_pass_by(alerts: Alerts) -> None:
    muted(alerts)
    alerts.event()
    alerts.event(rule="judge_grades", said="grades")
    assert alerts.send() == ["grades"]


def test_a_rule_has_one_mute_and_the_newest_word_counts(alerts: Alerts) -> None:
    first = muted(alerts)
    same = mute(
        alerts.connection, "failing_share", ends_at=first.ends_at, reason="wrong", by=KIM, rules=RULES
    )
    assert same == first
    second = muted(alerts, hours=5, reason="still wrong")
    assert second.mute_id != first.mute_id
    assert second.ends_at - first.ends_at > timedelta(hours=3)
    open_ones = alerts.connection.execute(
        "select mute_id from alerting.mutes where ends_at > now()"
    ).fetchall()
    assert open_ones == [(second.mute_id,)]
    assert alerts.count("actions") == 2


def test_people_who_mute_at_once_leave_one_mute(alerts: Alerts, desk_url: DatabaseUrl) -> None:
    def act(number: int) -> None:
        with connect(desk_url) as connection:
            mute(
                connection,
                "failing_share",
                ends_at=later(hours=1 + number),
                reason="wrong",
                by=Author(f"person {number}"),
                rules=RULES,
            )

    with ThreadPoolExecutor(6) as people:
        list(people.map(act, range(6)))
    (row,) = alerts.connection.execute("select count(*) from alerting.mutes where ends_at > now()").fetchall()
    assert row == (1,)
    assert alerts.count("actions") == 6


def test_a_mute_ends_by_its_id_once(alerts: Alerts) -> None:
    made = muted(alerts)
    assert end_mute(alerts.connection, made.mute_id, by=KIM)
    assert not end_mute(alerts.connection, made.mute_id, by=KIM)
    with pytest.raises(ActionError, match="there is no mute"):
        end_mute(alerts.connection, uuid4(), by=KIM)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("failing_shar", "did you mean failing_share"),
        ("zzz", "there are failing_share, judge_grades"),
        ("*", "one rule"),
        (" ", "empty"),
    ],
)
def test_a_rule_that_is_none_is_told_of(alerts: Alerts, rule: str, says: str) -> None:
    with pytest.raises(ActionError, match=says):
        muted(alerts, rule)


def test_a_rule_that_has_lost_its_file_can_still_be_muted(alerts: Alerts) -> None:
    alerts.event(rule="gone_rule")
    assert muted(alerts, "gone_rule").state == "active"
