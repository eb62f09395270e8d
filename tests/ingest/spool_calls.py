"""Records of calls as a proxy writes them, for tests of what reads them."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

from ingest.loading.assembly import moment
from ingest.spool.reader import Entry, list_segments, read_records
from ingest.spool.records import End, Record, Start
from ingest.spool.writer import Spool
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


def chunk(text: str) -> bytes:
    """A frame of a streamed answer."""
    data = {"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": text}}]}
    return f"data: {json.dumps(data)}\n\n".encode()


async def write(spool: Spool, *records: Record) -> None:
    for done in [spool.append(record) for record in records]:
        await done


def entries_in(directory: Path) -> list[Entry]:
    """All that stands in a spool, in order; fails on any fault."""
    found: list[Entry] = []
    for segment in list_segments(directory):
        batch = read_records(segment, limit=10**6)
        assert batch.segment.fault is None
        found += batch.entries
    return found


async def until(fact: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Let the writer's loop go on until the fact holds."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)


def wait_for(fact: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
