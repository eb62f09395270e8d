"""Every answer is what the app's own OpenAPI says, whatever is asked: schemathesis makes up the questions."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.reports.api.conftest import LOCAL, Client

# The paths under /v1 are the same handlers; Alertmanager's webhook asks for a token that no schema knows.
SCHEMA = schemathesis.pytest.from_fixture("api_schema").exclude(path_regex="^/v1/|/alertmanager$")


@pytest.fixture(scope="module")
def api_schema(client: Client) -> Any:
    return schemathesis.openapi.from_dict(client.get("/schema/openapi.json").json())


@SCHEMA.parametrize()
@settings(
    max_examples=6,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_what_the_schema_says(case: Any, client: Client) -> None:
    question = case.as_transport_kwargs(base_url=LOCAL)
    headers = {name: value for name, value in question["headers"].items() if name.lower() != "user-agent"}
    assume(sum(len(str(value)) for value in (question.get("params") or {}).values()) < 15_000)
    answer = client.request(
        question["method"],
        question["url"],
        params=question.get("params"),
        headers=headers,
        **_body(question),
    )
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    # That a cursor is ours, and a start before its end, no schema can say.
    case.validate_response(answer, excluded_checks=[positive_data_acceptance])


def _body(question: dict[str, Any]) -> dict[str, Any]:
    """What is sent as the body, in httpx's words: JSON, or bytes as they are."""
    if "json" in question:
        return {"json": question["json"]}
    return {"content": question["data"]} if question.get("data") is not None else {}
