"""Questions that have no answer get a problem that says what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from ingest.database.url import DatabaseUrl, parse_url
from tests.reports.api.conftest import Client, serving

BAD = [
    ("/analytics/trends", {"grain": "fortnight"}, "grain", "hour, day, week, month"),
    ("/analytics/trends", {"sort": "1; drop table marts.calls"}, "sort", "period, -period"),
    ("/analytics/trends", {"start": "soon"}, "start", ""),
    ("/analytics/trends", {"start": "2026-11-03", "end": "2026-11-02"}, "start", "not before"),
    ("/analytics/trends", {"end": "9999-12-31"}, "end", "2999-12-31"),
    ("/analytics/trends", {"grain": "hour", "start": "2016-01-01", "end": "2026-01-01"}, "grain", "31 days"),
    ("/analytics/trends", {"modle": "a"}, "modle", "no such parameter"),
    ("/analytics/trends", {"model": ["a", "b"]}, "model", "2 times"),
    ("/analytics/trends", {"model": "a" * 501}, "model", ""),
    ("/analytics/trends", {"model": "\0"}, "", "NUL"),
    ("/analytics/trends", {"by": "user_id"}, "by", ""),
    ("/analytics/costs", {"sort": "price"}, "sort", "amount_usd"),
    ("/analytics/costs", {"limit": 0}, "limit", ""),
    ("/analytics/costs", {"limit": 1001}, "limit", "1000"),
    ("/analytics/costs", {"limit": "ten"}, "limit", ""),
    ("/analytics/costs", {"offset": -1}, "offset", ""),
    ("/analytics/costs", {"offset": 10**30}, "offset", "100000"),
    ("/analytics/costs", {"cursor": "AAAA"}, "cursor", "none of ours"),
    ("/analytics/costs", {"cursor": "AAAA", "offset": 3}, "offset", "cursor"),
    ("/analytics/users", {"sort": "-user_id"}, "sort", "-n_calls"),
    ("/analytics/compare-models", {"grain": "hour"}, "grain", "all, day"),
    ("/analytics/compare-models", {"grain": "day", "start": "2016-01-01"}, "grain", "14 days"),
    ("/alerts/history", {"transition": "burning"}, "transition", "firing"),
    ("/alerts/silences", {"which": "loud"}, "which", "open"),
    ("/alerts", {"which": "loud"}, "which", "firing"),
    ("/alerts", {"start": "2026-11-01"}, "start", "no such parameter"),
    ("/calls", {"status": "fine"}, "status", "client_gone"),
    ("/calls", {"failed": "perhaps"}, "failed", ""),
    ("/calls", {"start": "2026-11-01T10:00:00"}, "start", ""),
]


@pytest.mark.parametrize(("path", "params", "named", "says"), BAD)
def test_a_bad_question_is_told_what_is_wrong(
    client: Client, path: str, params: dict[str, Any], named: str, says: str
) -> None:
    answer = client.get(path, params=params)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 400
    assert named in problem["detail"]
    assert says in problem["detail"]


@pytest.mark.parametrize(
    "call_id",
    ["nonsense", "00000000-0000-0000-0000-000000000000", "0199ffff-0000-7000-8000-000000000000", "%00"],
)
def test_an_id_of_no_call_is_a_404(client: Client, call_id: str) -> None:
    answer = client.get(f"/calls/{call_id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/calls", 405)])
def test_what_is_not_there_is_a_problem_too(client: Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_database_that_is_away_is_a_503_and_the_process_lives(tmp_path: Path) -> None:
    with serving(parse_url("postgresql://127.0.0.1:1/none"), home=tmp_path) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        answer = client.get("/analytics/trends")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_warehouse_without_marts_says_what_to_do(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    with serving(warehouse, home=tmp_path) as client:
        answer = client.get("/analytics/trends")
        assert answer.status_code == 503
        assert "lqo backfill" in answer.json()["detail"]


def test_a_session_cannot_write_and_a_statement_cannot_last(marts: DatabaseUrl) -> None:
    import asyncio

    from psycopg import errors
    from psycopg.sql import SQL

    from reports.api.freshness import Freshness
    from reports.api.warehouse import Warehouse

    async def run(statement: str) -> None:
        warehouse = Warehouse(marts.psycopg(), name="tests")
        async with warehouse.opened():
            await warehouse.rows(Freshness, SQL(statement), {})  # pyright: ignore[reportArgumentType]

    with pytest.raises(errors.ReadOnlySqlTransaction):
        asyncio.run(run("delete from marts.calls"))
    with pytest.raises(errors.QueryCanceled):
        asyncio.run(run("set statement_timeout = 1; select pg_sleep(1)"))
