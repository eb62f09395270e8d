"""The analytics API over what the demo's traffic became: landed, judged, priced, modelled."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from psycopg.rows import dict_row

from ingest.database.connect import connect
from ingest.database.embedded import reader_url
from orchestration.demo.models import REGRESSED_MODEL
from reports.api.app import build_app
from reports.api.doors import build_gate

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
def client(demo: Any) -> Iterator[TestClient[Litestar]]:
    app = build_app(
        marts=reader_url(demo.settings, demo.url).psycopg(),
        receipts=demo.url.psycopg(),
        gate=build_gate(demo.settings, host="127.0.0.1"),
    )
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def rows(demo: Any, query: str, *values: Any) -> list[dict[str, Any]]:
    with connect(demo.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()  # pyright: ignore[reportArgumentType]


def ask(client: TestClient[Litestar], path: str, **params: Any) -> dict[str, Any]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_trends_equal_the_mart_of_hours(client: TestClient[Litestar], demo: Any) -> None:
    answer = ask(client, "/analytics/trends", model=REGRESSED_MODEL, evaluator="refusal")
    expected = rows(
        demo,
        "select sum(n_scored)::int as n_scored, sum(n_failed)::int as n_failed from marts.quality_hourly "
        "where model = %s and evaluator = 'refusal' and hour >= %s "
        "group by date_trunc('day', hour, 'UTC') order by date_trunc('day', hour, 'UTC')",
        REGRESSED_MODEL,
        answer["start"],
    )
    found = [{name: point[name] for name in ("n_scored", "n_failed")} for point in answer["items"]]
    assert found == expected
    assert found


def test_a_rate_lies_inside_its_interval(client: TestClient[Litestar]) -> None:
    for grain in ("hour", "day", "week", "month"):
        points = ask(client, "/analytics/trends", grain=grain, limit=1000)["items"]
        rated = [point for point in points if point["pass_rate"] is not None]
        assert rated
        for point in rated:
            assert point["pass_rate_low"] <= point["pass_rate"] <= point["pass_rate_high"]


def test_costs_by_model_equal_the_charges(client: TestClient[Litestar], demo: Any) -> None:
    answer = ask(client, "/analytics/costs", grain="month", by="model", limit=1000)
    expected = rows(
        demo,
        "select model, sum(amount_usd) as amount_usd from marts.calls where started_at >= %s group by model",
        answer["start"],
    )
    found: dict[str, Decimal] = {}
    for row in answer["items"]:
        found[row["model"]] = found.get(row["model"], Decimal(0)) + Decimal(row["amount_usd"] or 0)
    assert found == {row["model"]: row["amount_usd"] or Decimal(0) for row in expected}
    assert sum(found.values()) > 0


def test_calls_priced_as_themselves_cost_what_every_attempt_of_theirs_did(
    client: TestClient[Litestar], demo: Any
) -> None:
    answer = ask(client, "/analytics/what-if", models=["recorded", "gpt-5-nano"])
    (expected,) = rows(
        demo,
        "select sum(n_attempts)::int as n, sum(n_priced)::int as n_priced, sum(amount_usd) as usd"
        " from marts.cost_hourly where hour >= %s and purpose in ('product', 'demo')",
        answer["start"],
    )
    recorded, cheaper = answer["items"]
    assert (answer["n_attempts"], recorded["n_compared"]) == (expected["n"], expected["n_priced"])
    assert Decimal(recorded["whatif_usd"]) == Decimal(answer["amount_usd"]) == expected["usd"]
    assert 0 < Decimal(cheaper["whatif_usd"]) < expected["usd"]


def test_models_are_compared_and_the_regressed_one_is_worse(client: TestClient[Litestar]) -> None:
    compared = ask(client, "/analytics/compare-models", evaluator="rules")["items"]
    assert len(compared) > 1
    (regressed,) = [row for row in compared if row["model"] == REGRESSED_MODEL]
    assert regressed["verdict"] == "worse"
    assert regressed["difference_low"] <= regressed["difference"] <= regressed["difference_high"]
    assert ask(client, "/analytics/compare-pairs")["grain"] == "all"


def test_users_and_prompts_add_up_to_all_calls(client: TestClient[Litestar], demo: Any) -> None:
    for path in ("/analytics/users", "/analytics/prompts"):
        answer = ask(client, path, limit=1000)
        expected = rows(
            demo, "select count(*)::int as n from marts.calls where started_at >= %s", answer["start"]
        )
        assert answer["next_cursor"] is None
        assert sum(row["n_calls"] for row in answer["items"]) == expected[0]["n"]


def test_the_alert_of_the_regression_is_in_the_history(client: TestClient[Litestar]) -> None:
    fired = ask(client, "/alerts/history", transition="firing")["items"]
    assert REGRESSED_MODEL in {event["group_key"] for event in fired}
    assert all(event["was_silenced"] is False for event in fired)
    assert ask(client, "/alerts/silences")["items"] == []


def test_a_receipt_says_what_was_said_why_it_failed_and_what_it_cost(
    client: TestClient[Litestar], demo: Any
) -> None:
    # The newest failure of all may be a call of the demo's unpriced model.
    (failed,) = ask(
        client,
        "/calls",
        model=REGRESSED_MODEL,
        failed=True,
        failed_rule="refusal",
        limit=1,
        start="2023-01-01",
    )["items"]
    receipt = ask(client, f"/calls/{failed['call_id']}", bodies=True)
    assert receipt["in_marts"] == failed
    assert receipt["text"]["output_text"]
    assert "messages" in receipt["text"]["request"]
    assert receipt["text"]["response"]

    score = next(
        score for score in receipt["scores"] if score["evaluator"] == "refusal" and score["is_current"]
    )
    assert (score["label"], score["value"], score["kind"]) == ("fail", 0, "rule")
    assert score["reason"]
    assert score["evaluator_version"]

    (charge,) = [charge for charge in receipt["charges"] if charge["superseded_at"] is None]
    assert charge["amount_usd"] == failed["amount_usd"]
    assert sum(charge["buckets"].values()) > 0
    priced = {row["bucket"]: Decimal(row["usd_per_million"]) for row in charge["price_rows"]}
    total = sum(count * priced[name] for name, count in charge["buckets"].items() if count)
    assert total / 1_000_000 == Decimal(charge["amount_usd"])
    assert receipt["call"]["attempts"] is not None
    assert receipt["quarantined"] == []


def test_the_text_of_a_receipt_is_what_landed(client: TestClient[Litestar], demo: Any) -> None:
    (row,) = rows(demo, "select call_id, input_text, output_text from raw.llm_bodies limit 1")
    text = ask(client, f"/calls/{row['call_id']}")["text"]
    assert (text["input_text"], text["output_text"]) == (row["input_text"], row["output_text"])
    assert (text["request"], text["response"]) == (None, None)


def test_a_call_that_nobody_made_has_no_receipt(client: TestClient[Litestar], demo: Any) -> None:
    (row,) = rows(demo, "select call_id from raw.llm_calls limit 1")
    near = UUID(int=row["call_id"].int ^ 1)
    assert client.get(f"/calls/{near}").status_code == 404


def test_every_page_says_how_fresh_it_is(client: TestClient[Litestar], demo: Any) -> None:
    (expected,) = rows(demo, "select max(hour) as hour from marts.calls_hourly")
    fresh = ask(client, "/analytics/costs")["freshness"]
    assert fresh["newest_hour"].replace("Z", "+00:00") == expected["hour"].isoformat()


def test_the_schema_is_openapi_31(client: TestClient[Litestar]) -> None:
    schema = client.get("/schema/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    paths = {
        "/analytics/trends", "/analytics/compare-models", "/analytics/costs", "/analytics/users",
        "/analytics/prompts", "/alerts/history", "/alerts/silences", "/calls", "/calls/{call_id}",
    }  # fmt: skip
    assert paths | {f"/v1{path}" for path in paths} <= set(schema["paths"])
    money = schema["components"]["schemas"]["CostRow"]["properties"]["amount_usd"]["oneOf"]
    assert {"type": "string"} in money
