"""The models of a key, in the shape that each provider's library reads."""

import json

import pytest

from ingest.providers.base import Wire
from ingest.proxy.listing import listing

NAMES = ["fast", "org/large model"]


@pytest.mark.parametrize(
    ("wire", "path", "ids"),
    [
        ("openai", "/v1/models", ["fast", "org/large model"]),
        ("anthropic", "/v1/models", ["fast", "org/large model"]),
        ("gemini", "/v1beta/models", ["models/fast", "models/org/large model"]),
    ],
)
def test_the_list_names_all_and_a_model_is_found_by_its_name(wire: Wire, path: str, ids: list[str]) -> None:
    page = json.loads(listing(NAMES, wire=wire, path=path) or b"")
    found = page["models"] if wire == "gemini" else page["data"]
    assert [each.get("id", each.get("name")) for each in found] == ids
    one = json.loads(listing(NAMES, wire=wire, path=f"{path}/org%2Flarge%20model") or b"")
    assert one == found[1]


def test_what_is_not_listed_is_not_there() -> None:
    assert listing(NAMES, wire="openai", path="/v1/models/other") is None
    assert listing(NAMES, wire="openai", path="/v1/files") is None
    assert json.loads(listing([], wire="anthropic", path="/v1/models") or b"")["data"] == []
