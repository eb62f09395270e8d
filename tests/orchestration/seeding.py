"""Calls in the warehouse, made in SQL so that a history of millions takes seconds."""

from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import zstandard
from psycopg import ClientCursor, Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from orchestration.windows import Window

DAY_START = datetime(2026, 10, 14, tzinfo=UTC)
DAY = Window(DAY_START, DAY_START + timedelta(days=1))
USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}

ADD: LiteralString = """
with times as (
    select date_trunc('milliseconds', %(start)s::timestamptz + n * %(spacing)s::interval) as started_at, n
    from generate_series(0, %(n)s - 1) as numbers (n)
),
calls as (
    select
        started_at,
        n,
        (lpad(to_hex((extract(epoch from started_at) * 1000)::bigint), 12, '0') || '7'
            || substr(digest, 1, 3) || '8' || substr(digest, 4, 15))::uuid as call_id
    from times
    cross join lateral (select md5(%(seed)s || ':' || n) as digest) as digests
),
bodies as (
    insert into raw.llm_bodies (call_id, started_at, request, input_text, output_text)
    select call_id, started_at, %(request)s, %(input)s, replace(%(output)s, '#', n::text) from calls
)
insert into raw.llm_calls (
    call_id, started_at, source, endpoint, provider, requested_model, status, usage, purpose, attempts,
    finish_reason, latency_ms, load_id, content_hash
)
select
    call_id, started_at, 'import', '/v1/chat/completions', %(provider)s, %(model)s, %(status)s, %(usage)s,
    %(purpose)s, %(attempts)s, 'stop', 1000 + n %% 500, gen_random_uuid(), '\\x00'
from calls
"""


def add_calls(
    connection: Connection[TupleRow],
    n: int,
    *,
    start: datetime = DAY_START,
    spacing: timedelta = timedelta(seconds=1),
    seed: str = "a",
    output: str = "The answer to question # is a short and ordinary sentence.",
    status: str = "ok",
    purpose: str = "product",
    provider: str = "openai",
    model: str = "gpt-4o-mini",
    usage: dict[str, object] | None = USAGE,
    attempts: list[dict[str, object]] | None = None,
) -> None:
    """Add n calls at `start`, `start + spacing`, …, and the marks of their hours, in the open transaction.

    A `#` in the output becomes the call's number. The same `seed` and times make the same call ids.
    """
    end = start + n * spacing
    month = start.replace(day=1)
    while month <= end:
        connection.execute("select ingest.ensure_month(%s::date)", (month,))
        month = (month + timedelta(days=32)).replace(day=1)
    given = {
        "start": start,
        "n": n,
        "spacing": spacing,
        "seed": seed,
        "request": zstandard.compress(
            b'{"messages":[{"role":"user","content":"Please answer the question."}]}'
        ),
        "input": "Please answer the question.",
        "output": output,
        "status": status,
        "purpose": purpose,
        "provider": provider,
        "model": model,
        "usage": None if usage is None else Jsonb(usage),
        "attempts": Jsonb(attempts or []),
    }
    connection.execute(ADD, given)
    connection.execute(
        "insert into raw.dirty_hours (hour, stage) select hour, 'calls'"
        " from generate_series(date_trunc('hour', %s::timestamptz, 'UTC'), %s, interval '1 hour')"
        " as hours (hour)",
        (start, end - spacing),
    )


def count(connection: Connection[TupleRow], table: LiteralString, *, where: LiteralString = "true") -> int:
    """Rows of a table; the connection is left outside a transaction."""
    with connection.transaction():
        row = connection.execute(f"select count(*) from {table} where {where}").fetchone()
    assert row
    return row[0]


def rows(connection: Connection[TupleRow], query: LiteralString) -> list[TupleRow]:
    """All rows of a query; the connection is left outside a transaction."""
    with connection.transaction():
        return connection.execute(query).fetchall()


def plan_nodes(
    connection: Connection[TupleRow], query: str, params: dict[str, object]
) -> list[dict[str, Any]]:
    """All nodes of the query's plan."""
    with connection.transaction():
        text = ClientCursor(connection).mogrify(query, params)
        row = connection.execute(f"explain (format json) {text}".encode()).fetchone()
    assert row
    waiting, nodes = [row[0][0]["Plan"]], []
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting.extend(node.get("Plans", []))
    return nodes
