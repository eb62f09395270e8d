"""Who may read: nobody without a key where keys are asked for, and this machine alone where not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from ingest.access.key_rows import create_key, revoke_key
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Auth, Settings
from reports.api.app import build_app
from reports.api.doors import build_gate
from tests.reports.api.conftest import Client
from tests.reports.api.rows import BITING


def guarded(url: DatabaseUrl, home: Path, *, auth: Auth = "keys", host: str = "127.0.0.1") -> Client:
    settings = Settings(home=home, database_url=url.libpq(), auth=auth)
    app = build_app(marts=url.psycopg(), receipts=url.psycopg(), gate=build_gate(settings, host=host))
    return TestClient(app)


@pytest.fixture(scope="module")
def keys(marts: DatabaseUrl) -> dict[str, str]:
    """A key of no project, one of project q, and one that was revoked."""
    with connect(marts) as connection:
        made = {
            "all": create_key(connection, owner="ops").secret,
            "q": create_key(connection, owner="team", project="q").secret,
        }
        gone = create_key(connection, owner="gone")
        revoke_key(connection, gone.key_id)
    return {**made, "revoked": gone.secret}


@pytest.fixture(scope="module")
def behind_keys(
    marts: DatabaseUrl, keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    with guarded(marts, tmp_path_factory.mktemp("guarded")) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_opens_every_path(behind_keys: Client, keys: dict[str, str]) -> None:
    for path in ("/analytics/trends", "/v1/analytics/trends", "/alerts/history", "/calls"):
        answer = behind_keys.get(path, headers=bearer(keys["all"]))
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("key", [None, "lqo_wrong", "revoked"])
def test_no_key_or_a_wrong_one_is_a_problem_that_says_so(
    behind_keys: Client, keys: dict[str, str], key: str | None
) -> None:
    headers = {} if key is None else bearer(keys.get(key, key))
    answer = behind_keys.get("/v1/calls", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "key" in answer.json()["detail"]


def test_a_key_in_the_address_is_not_read(behind_keys: Client, keys: dict[str, str]) -> None:
    assert behind_keys.get("/calls", params={"key": keys["all"]}).status_code == 401


def test_health_and_the_schema_need_no_key(behind_keys: Client) -> None:
    assert behind_keys.get("/healthz").status_code == 200
    assert behind_keys.get("/schema/openapi.json").status_code == 200


def test_a_key_of_a_project_reads_that_one_alone(behind_keys: Client, keys: dict[str, str]) -> None:
    span = {"start": "2026-11-01", "end": "2026-11-30"}

    def ask(path: str, **params: str) -> tuple[int, list[dict[str, object]]]:
        answer = behind_keys.get(path, params={**span, **params}, headers=bearer(keys["q"]))
        return answer.status_code, answer.json().get("items", [])

    status, found = ask("/calls")
    assert status == 200
    assert {row["project"] for row in found} == {"q"}
    assert sum(1 for row in ask("/analytics/costs", by="project")[1] if row["project"] != "q") == 0
    assert ask("/analytics/users") == (200, [])
    assert ask("/analytics/trends", project="q")[0] == 200
    assert ask("/analytics/trends", project="p")[0] == 403
    assert ask("/alerts/history")[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1", "origin": "https://evil.example"},
        {"host": "127.0.0.1", "x-forwarded-for": "203.0.113.9"},
        {"host": "127.0.0.1", "forwarded": "for=203.0.113.9"},
    ],
)
@pytest.mark.parametrize("auth", ["passthrough", "off"])
def test_without_keys_only_programs_on_this_machine_read(
    marts: DatabaseUrl, tmp_path: Path, headers: dict[str, str], auth: Auth
) -> None:
    with guarded(marts, tmp_path, auth=auth) as client:
        assert client.get("/calls", headers={"host": "localhost:8081"}).status_code == 200
        answer = client.get("/calls", headers=headers)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "api.example"])
def test_beyond_this_machine_keys_are_asked_for_whatever_the_proxy_does(
    marts: DatabaseUrl, keys: dict[str, str], tmp_path: Path, host: str
) -> None:
    with guarded(marts, tmp_path, auth="passthrough", host=host) as client:
        assert client.get("/calls", headers={"host": "127.0.0.1"}).status_code == 401
        assert client.get("/calls", headers=bearer(keys["all"])).status_code == 200


def test_a_name_that_bites_is_a_name(behind_keys: Client, keys: dict[str, str]) -> None:
    params = {"model": BITING, "start": "2026-11-02", "end": "2026-11-02"}
    found = behind_keys.get("/calls", params=params, headers=bearer(keys["all"])).json()["items"]
    assert found
    assert {row["model"] for row in found} == {BITING}
