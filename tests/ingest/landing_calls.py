"""Calls to land in tests."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import TupleRow

from ingest.call import Call
from ingest.landing.land import land_calls
from ingest.landing.result import LandingResult
from ingest.uuid7 import derived_uuid7

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOON = datetime(2026, 11, 19, 12, tzinfo=UTC)


def make_call(number: int = 0, *, at: datetime = NOON, key: str = "call", **changes: Any) -> Call:
    """The call `number` seconds after `at`; its id is the same in every run."""
    started_at = at + timedelta(seconds=number)
    fields: dict[str, Any] = {
        "call_id": derived_uuid7(started_at, key=f"{key} {number}".encode()),
        "started_at": started_at,
        "ended_at": started_at + timedelta(milliseconds=750),
        "source": "proxy",
        "endpoint": "/v1/chat/completions",
        "provider": "openai",
        "requested_model": "gpt-4o",
        "status": "ok",
        "http_status": 200,
        "latency_ms": 750.0,
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        "usage_raw": '{"prompt_tokens":3,"completion_tokens":2}',
        "request": f'{{"q":{number}}}'.encode(),
        "response": b'{"a":1}',
        "input_text": f"question {number}",
        "output_text": f"answer {number}",
    }
    return Call(**{**fields, **changes})


def land(connection: psycopg.Connection[TupleRow], *calls: Call) -> LandingResult:
    """Land in a transaction of its own, as of NOW."""
    return land_calls(connection, calls, load_id=uuid4(), origin="a test", now=NOW)


def value(connection: psycopg.Connection[TupleRow], query: str, *parameters: Any) -> Any:
    """The first column of the first row; ends the transaction, so that others can go on."""
    row = connection.execute(query, parameters or None).fetchone()  # pyright: ignore[reportArgumentType]
    connection.rollback()
    assert row is not None
    return row[0]
