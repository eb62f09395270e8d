"""Silences: messages wait while one holds, and none is lost."""

from typing import Any
from uuid import uuid4

import pytest

from orchestration.alerts.actions.errors import ActionError
from orchestration.alerts.actions.silences import Matcher, add_silence, end_silence
from reports.api.alert_shapes import Silence
from tests.orchestration.actions.conftest import KIM, RULES, Alerts, later


def silence(alerts: Alerts, *, hours: float = 1, reason: str = "known", **covers: Any) -> Silence:
    made = add_silence(
        alerts.connection,
        Matcher(**covers),
        ends_at=later(hours=hours),
        reason=reason,
        by=KIM,
        rules=RULES,
        is_unseen=True,
    )
    alerts.connection.commit()
    return made


@pytest.mark.parametrize(
    "covers",
    [
        {},
        {"rule": "failing_share"},
        {"rule": "failing_share", "group": "m"},
        {"severity": "critical"},
        {"owner": "search"},
        {"labels": {"team": "검색 🙂"}},
        {"rule": "failing_share", "owner": "search", "labels": {"team": "검색 🙂", "tier": "1"}},
    ],
)
def test_a_silence_holds_a_message_back_until_it_ends(alerts: Alerts, covers: dict[str, Any]) -> None:
    silence(alerts, **covers)
    alerts.event(owner="search", labels={"team": "검색 🙂", "tier": "1"})
    assert alerts.send() == []
    assert alerts.send(minutes=61) == ["firing"]


@pytest.mark.parametrize(
    "covers",
    [
        {"rule": "judge_grades"},
        {"group": "another"},
        {"severity": "warning"},
        {"owner": "billing"},
        {"labels": {"team": "ads"}},
        {"labels": {"team": "검색 🙂", "region": "eu"}},
        {"rule": "failing_share", "severity": "info"},
    ],
)
def test_other_alerts_are_heard(alerts: Alerts, covers: dict[str, Any]) -> None:
    silence(alerts, **covers)
    alerts.event(owner="search", labels={"team": "검색 🙂"})
    assert alerts.send() == ["firing"]


def test_an_alert_without_an_owner_is_not_silenced_by_one(alerts: Alerts) -> None:
    silence(alerts, owner="search")
    alerts.event()
    assert alerts.send() == ["firing"]


def test_a_silence_that_is_ended_early_lets_its_messages_go(alerts: Alerts) -> None:
    made = silence(alerts)
    alerts.event()
    assert alerts.send() == []
    assert end_silence(alerts.connection, made.silence_id, by=KIM)
    assert not end_silence(alerts.connection, made.silence_id, by=KIM)
    alerts.connection.commit()
    assert alerts.send() == ["firing"]
    assert alerts.count("actions") == 2


def test_a_silence_that_is_to_come_is_over_once_it_is_ended(alerts: Alerts) -> None:
    made = add_silence(
        alerts.connection,
        Matcher(),
        starts_at=later(hours=1),
        ends_at=later(hours=2),
        reason="a release",
        by=KIM,
        rules=RULES,
    )
    assert made.state == "to come"
    end_silence(alerts.connection, made.silence_id, by=KIM)
    alerts.event()
    assert alerts.send(minutes=90) == ["firing"]


@pytest.mark.parametrize("transition", ["changed", "report"])
def test_what_is_no_alert_is_told_whatever_is_silent(alerts: Alerts, transition: str) -> None:
    silence(alerts)
    alerts.event(transition)
    assert alerts.send() == [transition]


def test_the_same_wish_again_is_the_same_silence(alerts: Alerts) -> None:
    first = silence(alerts, rule="failing_share", labels={"b": "2", "a": "1"})
    again = silence(alerts, hours=5, rule="failing_share", labels={"a": "1", "b": "2"})
    assert (again.silence_id, again.ends_at > first.ends_at) == (first.silence_id, True)
    assert alerts.count("silences") == 1
    silence(alerts, reason="another", rule="failing_share", labels={"a": "1", "b": "2"})
    assert alerts.count("silences") == 2
    silence(alerts, rule="failing_share", labels={"a": "1"})
    assert alerts.count("silences") == 3
    same_end = add_silence(
        alerts.connection,
        Matcher("failing_share", labels={"a": "1", "b": "2"}),
        ends_at=again.ends_at,
        reason="known",
        by=KIM,
        rules=RULES,
    )
    assert same_end == again
    assert alerts.count("actions") == 4


def test_a_silence_that_nobody_made_cannot_be_ended(alerts: Alerts) -> None:
    with pytest.raises(ActionError, match="there is no silence") as told:
        end_silence(alerts.connection, uuid4(), by=KIM)
    assert told.value.kind == "unknown"


def test_a_misspelt_group_is_told_of_and_a_new_one_can_be_named_ahead(alerts: Alerts) -> None:
    alerts.event(group="gpt-5-mini")
    wish = {"ends_at": later(hours=1), "reason": "x", "by": KIM, "rules": RULES}
    with pytest.raises(ActionError, match="did you mean gpt-5-mini") as told:
        add_silence(alerts.connection, Matcher(group="gpt5-mini"), **wish)  # pyright: ignore[reportArgumentType]
    assert told.value.kind == "unknown"
    made = add_silence(alerts.connection, Matcher(group="gpt5-mini"), is_unseen=True, **wish)  # pyright: ignore[reportArgumentType]
    assert made.group_key == "gpt5-mini"
