"""What the load scripts send, set by the environment of `locust`.

LQO_LOAD_KEY (the key clients send, default one that providers refuse), LQO_LOAD_MODEL (default gpt-4o-mini),
LQO_LOAD_PROMPT_BYTES (default 1000), LQO_LOAD_BATCH (calls a `/v1/calls` request, default 100).
"""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from locust import HttpUser

CHAT = "/v1/chat/completions"
CALLS = "/v1/calls"
KEY = os.environ.get("LQO_LOAD_KEY", "sk-load-0000000000000000000000000000")
MODEL = os.environ.get("LQO_LOAD_MODEL", "gpt-4o-mini")
PROMPT = "word " * (int(os.environ.get("LQO_LOAD_PROMPT_BYTES", "1000")) // 5)
BATCH = int(os.environ.get("LQO_LOAD_BATCH", "100"))
HEADERS = {
    "authorization": f"Bearer {KEY}",
    "content-type": "application/json",
    "x-lqo-project": "load-test",
    "x-lqo-environment": "load-test",
}


def chat_body(*, is_streamed: bool = False) -> bytes:
    """A chat request."""
    asked = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": PROMPT}]}
    return json.dumps({**asked, "stream": True} if is_streamed else asked).encode()


def batch_body() -> bytes:
    """Finished calls in the call record's form (docs/call-record.md), all of this moment."""
    call = {
        "started_at": datetime.now(UTC).isoformat(),
        "requested_model": MODEL,
        "provider": "load-test",
        "status": "ok",
        "latency_ms": 12.5,
        "usage": {"prompt_tokens": 200, "completion_tokens": 20, "total_tokens": 220},
        "input_text": PROMPT,
        "output_text": "An answer.",
    }
    unique = f"{time.monotonic_ns()}-{id(call)}"
    return json.dumps([{**call, "external_id": f"load-{unique}-{n}"} for n in range(BATCH)]).encode()


def ask(user: HttpUser) -> None:
    """One plain call; anything but a 200 with a call id is a failure."""
    with user.client.post(
        CHAT, data=chat_body(), headers=HEADERS, name="chat", catch_response=True
    ) as response:
        if response.status_code != 200 or "x-lqo-call-id" not in response.headers:
            response.failure(f"{response.status_code}: {response.text[:200]}")


def ask_streamed(user: HttpUser) -> None:
    """One stream, read to its end; the time to its first frame is an entry of its own."""
    began = time.perf_counter()
    with user.client.post(
        CHAT,
        data=chat_body(is_streamed=True),
        headers=HEADERS,
        name="chat, streamed",
        stream=True,
        catch_response=True,
    ) as response:
        lines: Iterator[bytes] = (line for line in response.iter_lines() if line)
        first = next(lines, b"")
        user.environment.events.request.fire(
            request_type="POST",
            name="chat, first frame",
            response_time=(time.perf_counter() - began) * 1000,
            response_length=len(first),
            exception=None,
            context={},
        )
        last = first
        for line in lines:
            last = line
        if response.status_code != 200 or last != b"data: [DONE]":
            response.failure(f"{response.status_code}, ended with {last[:100]!r}")


def hand_in(user: HttpUser) -> None:
    """One batch of finished calls; each must be taken."""
    with user.client.post(
        CALLS, data=batch_body(), headers=HEADERS, name=f"{BATCH} calls", catch_response=True
    ) as response:
        if response.status_code != 200 or response.json()["rejected"]:
            response.failure(f"{response.status_code}: {response.text[:200]}")
