from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from ingest.database.connect import connect
from ingest.database.embedded import reader_url
from orchestration.demo.models import REGRESSED_MODEL
from reports.api.app import build_app

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture
def client(demo: Any) -> Iterator[TestClient[Litestar]]:
    with TestClient(build_app(conninfo=reader_url(demo.settings, demo.url).psycopg())) as client:
        yield client


def test_trends_equal_the_mart(client: TestClient[Litestar], demo: Any) -> None:
    answer = client.get("/analytics/trends", params={"model": REGRESSED_MODEL, "evaluator": "refusal"}).json()
    with connect(demo.url) as connection:
        expected = connection.execute(
            "select date_trunc('day', hour, 'UTC'), sum(n_scored), sum(n_failed) from marts.quality_hourly "
            "where model = %s and evaluator = 'refusal' and hour >= %s group by 1 order by 1",
            [REGRESSED_MODEL, answer["start"]],
        ).fetchall()
    points = [(point["n_scored"], point["n_failed"]) for point in answer["points"]]
    assert points == [(int(scored), int(failed)) for _, scored, failed in expected]
    assert points


def test_a_rate_lies_inside_its_interval(client: TestClient[Litestar]) -> None:
    points = client.get("/analytics/trends", params={"grain": "hour"}).json()["points"]
    rated = [point for point in points if point["pass_rate"] is not None]
    assert rated
    for point in rated:
        rate = Decimal(point["pass_rate"])
        assert Decimal(point["pass_rate_low"]) <= rate <= Decimal(point["pass_rate_high"])


def test_the_versioned_path_says_the_same(client: TestClient[Litestar]) -> None:
    plain, versioned = client.get("/analytics/trends"), client.get("/v1/analytics/trends")
    assert plain.json() == versioned.json()


@pytest.mark.parametrize(
    "params", [{"grain": "week"}, {"start": "soon"}, {"start": "2026-11-03", "end": "2026-11-02"}]
)
def test_a_bad_question_is_a_problem_of_status_400(
    client: TestClient[Litestar], params: dict[str, str]
) -> None:
    answer = client.get("/analytics/trends", params=params)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["detail"]


def test_health_needs_no_database() -> None:
    app = build_app(conninfo="host=127.0.0.1 port=1 dbname=none")
    with TestClient(app) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/analytics/trends").status_code == 503


def test_the_schema_is_openapi_31(client: TestClient[Litestar]) -> None:
    schema = client.get("/schema/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    assert {"/analytics/trends", "/v1/analytics/trends", "/healthz"} <= set(schema["paths"])
