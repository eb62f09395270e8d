"""Calls of about 2 KB as a proxy spools them, for the benchmarks of spool and loader."""

import json
import time
from collections.abc import Iterator
from random import Random

from ingest.spool.records import End, Start
from ingest.uuid7 import uuid7


def spooled_calls(*, seed: int = 7) -> Iterator[tuple[Start, End]]:
    """START and END without end; the texts differ in each: 1.1 KB asked and 0.9 KB answered."""
    rng = Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(4000)]
    number = 0
    while True:
        number += 1
        question, answer = " ".join(rng.choices(words, k=150)), " ".join(rng.choices(words, k=85))
        yield _call(number, question=question, answer=answer)


def _call(number: int, *, question: str, answer: str) -> tuple[Start, End]:
    call_id = uuid7()
    started_at_ns = (call_id.int >> 80) * 1_000_000
    start = Start(
        call_id=call_id,
        started_at_ns=started_at_ns,
        endpoint="/v1/chat/completions",
        provider="openai",
        requested_model="gpt-4o-mini",
        key_id=f"key-{number % 50}",
        observer={"project": f"project-{number % 7}", "user_id": f"user-{number % 5000}"},
        request=_compact(
            {
                "model": "gpt-4o-mini",
                "messages": [
                    {"role": "system", "content": "You are a helpful assistant."},
                    {"role": "user", "content": question},
                ],
            }
        ),
    )
    end = End(
        call_id=call_id,
        ended_at_ns=max(time.time_ns(), started_at_ns),
        status="ok",
        http_status=200,
        latency_ms=1200.0 + number % 900,
        response=_compact(
            {
                "id": f"chatcmpl-{number}",
                "object": "chat.completion",
                "model": "gpt-4o-mini-2024-07-18",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": answer},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {"prompt_tokens": 170, "completion_tokens": 95, "total_tokens": 265},
            }
        ),
        response_headers={"content-type": "application/json", "x-request-id": f"req_{number:032x}"},
        attempts=(
            {
                "provider": "openai",
                "model": "gpt-4o-mini",
                "status": 200,
                "started_at": "2026-11-20T10:00:00.123456+00:00",
                "latency_ms": 1200.0 + number % 900,
            },
        ),
    )
    return start, end


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
