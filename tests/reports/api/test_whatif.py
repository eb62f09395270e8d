"""`/analytics/what-if`: the figures of `lqo whatif`, in bounds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.access.key_rows import create_key
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from reports.api import whatif
from tests.conftest import fresh_database
from tests.orchestration.cost.test_whatif import FINE, HOUSE, PLAIN, charged, seed, used
from tests.reports.api.conftest import Client, serving
from tests.reports.api.test_doors import bearer, guarded

SPAN = {"start": "2026-10-14", "end": "2026-10-14"}


@pytest.fixture(scope="module")
def recorded(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    """Three calls of project p and two of q, one of them without usage."""
    for url in fresh_database(maintenance_url, owner_url, template=modelled_template):
        with connect(url) as connection:
            seed(connection, 3, model="house", usage=used(100, 10, cached=40))
            with connection.transaction():
                connection.execute("update raw.llm_calls set project = 'p'")
            seed(connection, 1, seed="b", model="house", usage=used(100, 10))
            seed(connection, 1, seed="c", model="house", usage=None)
            with connection.transaction():
                connection.execute("update raw.llm_calls set project = 'q' where project is null")
            charged(connection, HOUSE, PLAIN, FINE)
        yield url


@pytest.fixture(scope="module")
def asking(recorded: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(recorded, home=tmp_path_factory.mktemp("home")) as opened:
        yield opened


def ask(client: Client, **params: Any) -> dict[str, Any]:
    answer = client.get("/v1/analytics/what-if", params={**SPAN, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_candidate_stands_beside_what_was_paid(asking: Client) -> None:
    said = ask(asking, models=["plain", "recorded"], by="project")
    assert (said["n_attempts"], said["amount_usd"], said["unpriced_reasons"]) == (
        5,
        "0.001130000000",
        {"no_usage": 1},
    )
    figures = [
        (row["project"], row["candidate"], row["n_compared"], row["whatif_usd"], row["saving_percent"])
        for row in said["items"]
    ]
    assert figures == [
        ("p", "plain", 3, "0.000420000000", "46.15"),
        ("p", "recorded", 3, "0.000780000000", "0.00"),
        ("q", "plain", 1, "0.000140000000", "60.00"),
        ("q", "recorded", 1, "0.000350000000", "0.00"),
    ]
    assert said["items"][2]["not_priced_reasons"] == {"no_usage": 1}
    assert any("plain has no price for reading a cache: 120 tokens" in note for note in said["notes"])
    assert ask(asking, models="plain", cache="none", project="q")["n_attempts"] == 2


def test_a_price_too_fine_for_sums_is_rounded_call_by_call(asking: Client) -> None:
    [row] = ask(asking, models="fine", project="p")["items"]
    # A call is 0.000017777777706 USD; three, rounded once, would be 0.000053333333.
    assert row["whatif_usd"] == "0.000053333334"


def test_what_it_cannot_answer_is_told(asking: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for params, why in (
        ({"models": "plian"}, "did you mean plain"),
        ({"tiers": "bach"}, "no model has a price at tier"),
        ({"ratio": "much"}, "ratio must be a number"),
        ({"start": "2026-01-01"}, "at most 31 days"),
        ({"models": [f"m{n}" for n in range(11)]}, "more than 10"),
        ({"modles": "plain"}, "no such parameter"),
    ):
        answer = asking.get("/analytics/what-if", params={**SPAN, **params})
        assert (answer.status_code, why in answer.text) == (400, True), answer.text
    monkeypatch.setattr(whatif, "MOST_ATTEMPTS", -1)
    answer = asking.get("/analytics/what-if", params={**SPAN, "models": "plain"})
    assert "attempts are more than" in answer.json()["detail"]


def test_a_key_of_a_project_asks_about_that_one_alone(recorded: DatabaseUrl, tmp_path: Path) -> None:
    with connect(recorded) as connection:
        key = create_key(connection, owner="team", project="q").secret
    with guarded(recorded, tmp_path) as client:
        found = client.get("/analytics/what-if", params=SPAN, headers=bearer(key))
        assert found.json()["n_attempts"] == 2
        other = client.get("/analytics/what-if", params={**SPAN, "project": "p"}, headers=bearer(key))
        assert other.status_code == 403
