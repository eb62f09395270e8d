"""Under which name of a model the proxy's metrics count a call."""

import pytest

from ingest.providers.base import Reading
from ingest.proxy.metrics import Ended, Metrics
from ingest.proxy.ports import Target
from ingest.proxy.used import Used

USAGE = {"input_tokens": 50, "output_tokens": 272}


@pytest.mark.parametrize(
    ("reading", "status", "name"),
    [
        (Reading("gpt-4o-2024-08-06", USAGE), 200, "gpt-4o-2024-08-06"),
        (Reading(None, USAGE), 200, "gpt-image-1"),
        (Reading(None, None), 200, "other"),
        (Reading(None, USAGE), 400, "other"),
        (None, 200, "other"),
    ],
)
def test_an_answer_is_counted_under_the_model_that_its_charge_has(
    reading: Reading | None, status: int, name: str
) -> None:
    target = Target("openai", "openai", "http://127.0.0.1", model="gpt-image-1")
    used = () if reading is None else (Used(target, reading),)
    call = Ended("/v1/images/generations", "other", status, None, reading, used, ())
    assert Metrics().ended(call) == name
