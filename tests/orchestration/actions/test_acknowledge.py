"""Acknowledging: one person takes an alert on, until it ends."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.actions.acknowledge import acknowledge
from orchestration.alerts.actions.errors import ActionError
from orchestration.alerts.actions.find import by_fingerprint, find_alert
from orchestration.alerts.actions.wording import Author
from reports.api.alert_shapes import Acknowledgement
from tests.orchestration.actions.conftest import KIM, RULES, Alerts


def take(alerts: Alerts, name: str = "failing_share", group: str | None = "m") -> Acknowledgement:
    alert = find_alert(alerts.connection, name, group=group, rules=RULES)
    return acknowledge(alerts.connection, alert, by=KIM, note="보고 있어요 🙂")


def now(alerts: Alerts) -> list[tuple[str, str | None]]:
    return alerts.connection.execute(
        "select state, acknowledged_by from alerting.alerts where rule = 'failing_share'"
    ).fetchall()


def test_an_alert_that_fires_is_taken_on_by_the_first_who_asks(alerts: Alerts) -> None:
    alerts.event()
    first = take(alerts)
    assert (first.acknowledged_by, first.note, first.is_new) == ("kim", "보고 있어요 🙂", True)
    alert = find_alert(alerts.connection, "failing_share", group="m", rules=RULES)
    again = acknowledge(alerts.connection, alert, by=Author("lee"), note="me too")
    assert (again.acknowledged_by, again.note, again.is_new) == ("kim", "보고 있어요 🙂", False)
    assert now(alerts) == [("firing", "kim")]
    assert alerts.count("actions") == 1


def test_it_ends_with_the_alert_and_one_that_comes_back_is_nobodys(alerts: Alerts) -> None:
    alerts.event("firing")
    take(alerts)
    alerts.event("resolved")
    assert now(alerts) == [("resolved", None)]
    alerts.event("firing")
    assert now(alerts) == [("firing", None)]
    assert take(alerts).is_new


def test_people_who_ask_at_once_get_one_answer(alerts: Alerts, desk_url: DatabaseUrl) -> None:
    alerts.event()

    def act(number: int) -> Acknowledgement:
        with connect(desk_url) as connection:
            alert = find_alert(connection, "failing_share", rules=RULES)
            return acknowledge(connection, alert, by=Author(f"person {number}"))

    with ThreadPoolExecutor(6) as people:
        found = list(people.map(act, range(6)))
    assert [one.is_new for one in found].count(True) == 1
    assert len({one.acknowledged_by for one in found}) == 1
    assert alerts.count("actions") == 1


@pytest.mark.parametrize("state", ["pending", "resolved"])
def test_only_what_fires_is_taken_on(alerts: Alerts, state: str) -> None:
    alerts.state(state)
    with pytest.raises(ActionError, match=f"does not fire: it is {state}") as told:
        take(alerts)
    assert told.value.kind == "conflict"


def test_an_alert_is_found_by_what_people_have_at_hand(alerts: Alerts) -> None:
    alerts.event()
    fingerprint = alerts.state("firing")
    for name, group in ((fingerprint, None), (fingerprint[:6], None), ("failing_share", "m")):
        assert find_alert(alerts.connection, name, group=group, rules=RULES).group_key == "m"
    assert find_alert(alerts.connection, "failing_share", rules=RULES).fingerprint == fingerprint
    assert by_fingerprint(alerts.connection, fingerprint).rule == "failing_share"


@pytest.mark.parametrize(
    ("name", "group", "says"),
    [
        ("failing_share", None, "is 2 alerts: failing_share of m"),
        ("failing_share", "gpt", "never alerted for 'gpt'"),
        ("failing_shares", None, "did you mean failing_share"),
        ("judge_grades", None, "nothing of judge_grades fires"),
        ("deadbeef", None, "there is no alert rule 'deadbeef'"),
        ("%", None, "there is no alert rule '%'"),
    ],
)
def test_what_cannot_be_found_is_told_of(alerts: Alerts, name: str, group: str | None, says: str) -> None:
    alerts.event()
    alerts.event(group="other")
    with pytest.raises(ActionError, match=says):
        find_alert(alerts.connection, name, group=group, rules=RULES)
