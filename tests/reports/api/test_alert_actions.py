"""People act on alerts over HTTP: who may, what is written, and what is told of what cannot be."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from litestar.testing import TestClient
from psycopg import errors

from ingest.access.key_rows import NewKey, create_key
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from reports.api.alert_actions import MOST_BYTES
from reports.api.alerting_writer import AlertingWriter
from reports.api.app import build_app
from reports.api.doors import build_gate
from tests.reports.api.conftest import Client, serving
from tests.reports.api.rows import BITING, FINGERPRINT

SOON = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
ACKNOWLEDGE = f"/alerts/{FINGERPRINT}/acknowledge"


@pytest.fixture(autouse=True)
def nobody_has_acted(marts: DatabaseUrl) -> None:
    with connect(marts) as connection:
        connection.execute("truncate alerting.acknowledgements, alerting.actions, alerting.mutes")
        connection.execute("delete from alerting.silences where ends_at > now()")


@pytest.fixture(scope="module")
def keys(marts: DatabaseUrl) -> dict[str, NewKey]:
    with connect(marts) as connection:
        return {
            "all": create_key(connection, owner="운영 🎈"),
            "q": create_key(connection, owner="team", project="q"),
        }


@pytest.fixture(scope="module")
def behind_keys(
    marts: DatabaseUrl,
    keys: dict[str, NewKey],
    alerting: AlertingWriter,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Client]:
    settings = Settings(home=tmp_path_factory.mktemp("guarded"), database_url=marts.libpq(), auth="keys")
    app = build_app(
        marts=marts.psycopg(),
        receipts=marts.psycopg(),
        gate=build_gate(settings, host="127.0.0.1"),
        alerting=alerting,
    )
    with TestClient(app) as client:
        yield client


def bearer(key: NewKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.secret}"}


def items(client: Client, path: str, **params: str) -> list[dict[str, Any]]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def actions(marts: DatabaseUrl) -> list[tuple[Any, ...]]:
    with connect(marts) as connection:
        return connection.execute(
            "select action, acted_by, via from marts.alert_actions order by acted_at"
        ).fetchall()


def test_what_fires_is_told_with_what_people_did(client: Client) -> None:
    newest, oldest = items(client, "/alerts")
    assert (newest["group_key"], newest["state"], newest["owner"]) == (BITING, "firing", "search")
    assert newest["labels"] == {"team": "검색 🙂"}
    assert newest["acknowledged_by"] is None
    assert (oldest["rule"], oldest["state"]) == ("judge_grades", "pending")
    assert [alert["rule"] for alert in items(client, "/alerts", severity="warning")] == ["judge_grades"]


def test_an_alert_is_taken_on_once(client: Client, marts: DatabaseUrl) -> None:
    first = client.post(ACKNOWLEDGE, json={"note": "보고 있어요", "by": "kim"})
    assert first.status_code == 200, first.text
    assert (first.json()["acknowledged_by"], first.json()["is_new"]) == ("kim", True)
    for again in (client.post(f"/v1{ACKNOWLEDGE}", json={}), client.post(f"/v1{ACKNOWLEDGE}")):
        assert again.status_code == 200, again.text
        assert (again.json()["acknowledged_by"], again.json()["is_new"]) == ("kim", False)
    (taken,) = items(client, "/alerts", acknowledged="true")
    assert (taken["acknowledged_by"], taken["acknowledgement_note"]) == ("kim", "보고 있어요")
    events = items(client, "/alerts/history", fingerprint=FINGERPRINT, start="2026-11-01", end="2026-11-30")
    assert [event["acknowledged_by"] for event in events] == ["kim", None, None]
    assert actions(marts) == [("acknowledged", "kim", "api")]


def test_a_silence_is_made_again_the_same_and_ended(client: Client, marts: DatabaseUrl) -> None:
    wish = {"group_key": BITING, "ends_at": SOON, "reason": "점검", "labels": {"team": "검색 🙂"}}
    made = client.post("/alerts/silences", json=wish)
    assert made.status_code == 200, made.text
    assert client.post("/alerts/silences", json=wish).json() == made.json()
    (silence,) = items(client, "/alerts/silences")
    assert silence == made.json()
    (alert,) = items(client, "/alerts", which="firing")
    assert alert["silenced_until"] == made.json()["ends_at"]
    for _ in range(2):
        ended = client.delete(f"/alerts/silences/{silence['silence_id']}")
        assert (ended.status_code, ended.content) == (204, b"")
    assert items(client, "/alerts/silences") == []
    assert [action for action, *_ in actions(marts)] == ["silenced", "unsilenced"]


def test_a_rule_is_muted_and_heard_again(client: Client, marts: DatabaseUrl) -> None:
    made = client.post("/alerts/mutes", json={"rule": "failing_share", "ends_at": SOON, "reason": "wrong"})
    assert made.status_code == 200, made.text
    assert items(client, "/alerts/mutes") == [made.json()]
    (alert,) = items(client, "/alerts", which="firing")
    assert alert["muted_until"] == made.json()["ends_at"]
    for _ in range(2):
        assert client.delete(f"/alerts/mutes/{made.json()['mute_id']}").status_code == 204
    assert items(client, "/alerts/mutes") == []
    assert [action for action, *_ in actions(marts)] == ["muted", "unmuted"]


@pytest.mark.parametrize(
    ("path", "wish", "status", "says"),
    [
        ("/alerts/silences", {"reason": "x"}, 400, "ends_at"),
        ("/alerts/silences", {"reason": "x", "ends_at": "2020-01-01T00:00:00Z"}, 400, "not to come"),
        ("/alerts/silences", {"reason": "x", "ends_at": "2030-01-01T00:00:00"}, 400, "timezone"),
        ("/alerts/silences", {"reason": "x", "ends_at": "tomorrow"}, 400, "ends_at"),
        ("/alerts/silences", {"reason": " ", "ends_at": SOON}, 400, "reason: say something"),
        ("/alerts/silences", {"reason": "a\u0000b", "ends_at": SOON}, 400, "one line"),
        ("/alerts/silences", {"reason": "x" * 1_001, "ends_at": SOON}, 400, "at most 1,000"),
        ("/alerts/silences", {"reason": "x" * MOST_BYTES, "ends_at": SOON}, 413, ""),
        ("/alerts/silences", {"reason": "x", "ends_at": SOON, "ruel": "y"}, 400, "ruel"),
        ("/alerts/silences", {"reason": "x", "ends_at": SOON, "severity": "loud"}, 400, "severity"),
        ("/alerts/silences", {"reason": "x", "ends_at": SOON, "rule": "failing_shar"}, 404, "failing_share"),
        ("/alerts/silences", {"reason": "x", "ends_at": SOON, "group_key": "nobody"}, 404, "unseen"),
        ("/alerts/mutes", {"reason": "x", "ends_at": SOON, "rule": "*"}, 400, "one rule"),
        ("/alerts/mutes", {"reason": "x", "ends_at": SOON, "rule": "failing_shar"}, 404, "failing_share"),
        ("/alerts/0123456789abcdef/acknowledge", {}, 404, "no alert"),
        ("/alerts/%00/acknowledge", {}, 400, ""),
        ("/alerts/0000000000000000/acknowledge", {}, 409, "does not fire: it is pending"),
        (ACKNOWLEDGE, {"by": " "}, 400, "by: say something"),
        (ACKNOWLEDGE, [], 400, ""),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_written(
    *, client: Client, marts: DatabaseUrl, path: str, wish: Any, status: int, says: str
) -> None:
    answer = client.post(path, json=wish)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]
    assert actions(marts) == []


def test_what_nobody_made_cannot_be_ended(client: Client) -> None:
    for what in ("silences", "mutes"):
        answer = client.delete(f"/alerts/{what}/{uuid4()}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert client.delete(f"/alerts/{what}/nonsense").status_code == 404


def test_a_filter_is_no_part_of_what_is_written(client: Client) -> None:
    wish = {"ends_at": SOON, "reason": "x"}
    answer = client.post("/alerts/silences", params={"which": "all"}, json=wish)
    assert answer.status_code == 400
    assert "no such parameter" in answer.json()["detail"]


def test_an_answer_to_a_wish_is_no_304(client: Client) -> None:
    answer = client.post(ACKNOWLEDGE, json={}, headers={"if-none-match": "*"})
    assert answer.status_code == 200
    assert "etag" not in answer.headers


def test_the_owner_of_the_key_is_the_author(
    behind_keys: Client, keys: dict[str, NewKey], marts: DatabaseUrl
) -> None:
    answer = behind_keys.post(ACKNOWLEDGE, json={}, headers=bearer(keys["all"]))
    assert answer.json()["acknowledged_by"] == "운영 🎈"
    assert actions(marts) == [("acknowledged", "운영 🎈", f"api {keys['all'].key_id}")]
    other = behind_keys.post(ACKNOWLEDGE, json={"by": "kim"}, headers=bearer(keys["all"]))
    assert (other.status_code, other.json()["detail"][:3]) == (400, "by:")


def test_a_key_of_a_project_and_no_key_may_not_act(behind_keys: Client, keys: dict[str, NewKey]) -> None:
    wish = {"rule": "failing_share", "ends_at": SOON, "reason": "x"}
    for path, body in ((ACKNOWLEDGE, {}), ("/alerts/silences", wish), ("/alerts/mutes", wish)):
        assert behind_keys.post(path, json=body, headers=bearer(keys["q"])).status_code == 403
        assert behind_keys.post(path, json=body).status_code == 401
    for what in ("silences", "mutes"):
        path = f"/alerts/{what}/{uuid4()}"
        assert behind_keys.delete(path, headers=bearer(keys["q"])).status_code == 403
    assert behind_keys.get("/alerts", headers=bearer(keys["q"])).status_code == 403
    assert behind_keys.get("/alerts/mutes", headers=bearer(keys["q"])).status_code == 403


def test_a_page_in_a_browser_may_not_act(client: Client) -> None:
    answer = client.post(ACKNOWLEDGE, json={}, headers={"origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")


def test_an_api_without_a_login_to_write_with_says_so_and_reads_on(
    marts: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving(marts, home=tmp_path_factory.mktemp("reading")) as reading:
        answer = reading.post(ACKNOWLEDGE, json={})
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert reading.get("/alerts").status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "update marts.cost_daily set n_calls = 0",
        "select * from raw.llm_bodies",
        "update access.api_keys set project = null",
        "delete from alerting.events",
        "truncate alerting.actions",
        "create table alerting.mine (id int)",
    ],
)
async def test_the_login_that_writes_alerts_may_do_nothing_else(
    alerting: AlertingWriter, statement: str
) -> None:
    def work(connection: psycopg.Connection) -> None:
        connection.execute(statement.encode())

    with pytest.raises(errors.InsufficientPrivilege):
        await alerting.run(work)
