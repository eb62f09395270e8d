"""Rows of public data sets as landed calls, by COPY."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

CALLS = """
copy raw.llm_calls (
    call_id, started_at, source, endpoint, provider, requested_model, project, status, latency_ms, ttft_ms,
    load_id, content_hash
) from stdin
"""
BODIES = "copy raw.llm_bodies (call_id, started_at, input_text, output_text) from stdin"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that ended well. `started_at` to the millisecond; `name` makes its id with it."""

    name: str
    started_at: datetime
    model: str
    project: str
    latency_ms: float | None = None
    ttft_ms: float | None = None
    prompt: str | None = None
    answer: str | None = None

    @property
    def call_id(self) -> UUID:
        """Version 7: the time, then bits of the name's hash."""
        digest = md5(self.name.encode(), usedforsecurity=False).hexdigest()
        milliseconds = round(self.started_at.timestamp() * 1000)
        return UUID(f"{milliseconds:012x}7{digest[:3]}8{digest[3:18]}")


def land(connection: psycopg.Connection[TupleRow], calls: Iterable[Call]) -> None:
    """Land calls of months that there are; texts where a call has a prompt."""
    landed = list(calls)
    with connection.cursor() as cursor:
        with cursor.copy(CALLS) as copy:
            for call in landed:
                row = ("import", "/v1/chat/completions", "openai", call.model, call.project, "ok")
                copy.write_row(
                    (call.call_id, call.started_at, *row, call.latency_ms, call.ttft_ms, UUID(int=0), b"\0")
                )
        with cursor.copy(BODIES) as copy:
            for call in landed:
                if call.prompt is not None:
                    copy.write_row((call.call_id, call.started_at, call.prompt, call.answer))
