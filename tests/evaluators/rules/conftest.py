"""One call, judged by one rule."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
import pytest

from evaluators.rules.catalogue import RULES
from evaluators.rules.prepare import INPUT_SCHEMA, prepare


@dataclass(frozen=True, slots=True)
class Verdict:
    failed: bool | None
    reason: str | None
    evidence: str | None


GOOD_CALL = {
    "call_id": "c",
    "started_at": datetime(2026, 11, 2, tzinfo=UTC),
    "endpoint": "/v1/chat/completions",
    "status": "ok",
    "http_status": 200,
    "finish_reason": "stop",
    "latency_ms": 900.0,
    "ttft_ms": None,
    "is_streamed": False,
    "body_state": "full",
    "input_text": "What is the capital of France, and why did it become the capital?",
    "output_text": "Paris is the capital of France, as the kings of the Capetian house lived there.",
    "request": b'{"model": "m", "messages": []}',
}


@pytest.fixture(scope="session")
def frame_of() -> Callable[..., pl.DataFrame]:
    """A frame of good calls, each with the given changes."""

    def build(*changes: dict[str, object]) -> pl.DataFrame:
        return pl.DataFrame([GOOD_CALL | change for change in changes], schema_overrides=INPUT_SCHEMA)

    return build


@pytest.fixture(scope="session")
def judge(frame_of: Callable[..., pl.DataFrame]) -> Callable[..., Verdict]:
    """The verdict of the named rule on a good call with the given changes."""
    rules = {rule.name: rule for rule in RULES}

    def check(name: str, /, **changes: object) -> Verdict:
        return Verdict(*rules[name].check(prepare(frame_of(changes))).row(0))

    return check
