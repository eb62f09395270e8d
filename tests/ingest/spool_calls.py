"""Records of calls as a proxy writes them, for tests of what reads them."""

import json
import time
from collections.abc import Callable

from ingest.loading.assembly import moment
from ingest.spool.records import End, Start
from ingest.uuid7 import uuid7

ANSWER = {
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


def start(**changes: object) -> Start:
    now = time.time_ns()
    fields: dict[str, object] = {
        "call_id": uuid7(moment(now)),
        "started_at_ns": now,
        "endpoint": "/v1/chat/completions",
        "provider": "openai",
        "requested_model": "gpt-4o",
        "request": b'{"model":"gpt-4o","messages":[{"role":"user","content":"6 times 7?"}]}',
    }
    return Start(**{**fields, **changes})  # pyright: ignore[reportArgumentType]


def end(call: Start, **changes: object) -> End:
    fields: dict[str, object] = {
        "call_id": call.call_id,
        "ended_at_ns": time.time_ns(),
        "status": "ok",
        "http_status": 200,
        "latency_ms": 12.5,
        "response": json.dumps(ANSWER).encode(),
        "attempts": ({"provider": "openai", "model": "gpt-4o", "status": 200},),
    }
    return End(**{**fields, **changes})  # pyright: ignore[reportArgumentType]


def wait_for(fact: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
