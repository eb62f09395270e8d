"""The rows that the landed-day expectations look at: one narrow SQL query a day, with its verdict columns."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import psycopg
from psycopg.sql import SQL, Composed, Literal

from evaluators.pricing.genai import Refused, snapshot_rows
from orchestration.checks.quarantine import FACETS
from orchestration.partitions import range_window

# Token counts are compared with texts on at most this many calls a day: the texts are wide.
MOST_TEXTS = 20_000

ROWS = """
select
    calls.call_id::text as call_id,
    (calls.status <> 'ok')::int as is_not_ok,
    {facets},
    calls.provider || '/' || coalesce(calls.served_model, calls.requested_model) as model,
    (
        calls.status <> 'ok'
        or coalesce(
            (calls.provider, coalesce(calls.served_model, calls.requested_model)) in ({known}), false
        )
    ) as is_known_model
from raw.llm_calls as calls
where calls.started_at >= {start} and calls.started_at < {end}
"""

TEXTS = """
select
    calls.call_id::text as call_id,
    length(bodies.output_text)::float8 / nullif(tokens.output, 0) as characters_per_token
from raw.llm_calls as calls
inner join raw.llm_bodies as bodies using (started_at, call_id)
cross join lateral (
    select coalesce(
        calls.usage ->> 'completion_tokens',
        calls.usage ->> 'output_tokens',
        calls.usage ->> 'candidatesTokenCount'
    ) as text
) as found
cross join lateral (
    select case when found.text ~ '^[0-9]{{1,9}}$' then found.text::float8 end as output
) as tokens
where calls.started_at >= {start} and calls.started_at < {end}
    and bodies.started_at >= {start} and bodies.started_at < {end}
    and calls.status = 'ok'
    and length(bodies.output_text) >= 200
    and mod(abs(hashtextextended(calls.call_id::text, 0)), {every}) = 0
"""

PAIRS = """
select distinct provider, coalesce(served_model, requested_model)
from raw.llm_calls
where started_at >= %s and started_at < %s and status = 'ok'
"""

BOOKED = """
select exists (
    select from cost.prices
    where superseded_at is null
        and (provider is null or provider = %(provider)s)
        and (model = %(model)s or (match = 'prefix' and starts_with(%(model)s, model)))
)
"""


def count_calls(connection: psycopg.Connection, day: date) -> int:
    """Landed calls of a UTC day."""
    window = range_window(day, day)
    row = connection.execute(
        "select count(*) from raw.llm_calls where started_at >= %s and started_at < %s",
        (window.start, window.end),
    ).fetchone()
    return int(row[0]) if row else 0


def known_models(connection: psycopg.Connection, day: date) -> list[tuple[str, str]]:
    """The day's (provider, model) pairs that the price book or genai-prices knows."""
    window = range_window(day, day)
    pairs = connection.execute(PAIRS, (window.start, window.end)).fetchall()
    return [(provider, model) for provider, model in pairs if _is_known(connection, provider, model)]


def rows_query(connection: psycopg.Connection, day: date, *, known: Sequence[tuple[str, str]]) -> str:
    """SQL text of one row per landed call, with a column per structural facet and two for the rates."""
    facets = SQL(", ").join(SQL(f"({f.problem}) as {f.name}_problem") for f in FACETS)  # pyright: ignore[reportArgumentType]
    pairs = [SQL("({}, {})").format(Literal(p), Literal(m)) for p, m in known]
    return _text(connection, ROWS, day, facets=facets, known=SQL(", ").join(pairs or [SQL("(null, null)")]))


def texts_query(connection: psycopg.Connection, day: date, *, n_calls: int) -> str:
    """SQL text of one row per sampled answer of 200 characters and more: its characters per token."""
    return _text(connection, TEXTS, day, every=Literal(1 + n_calls // MOST_TEXTS))


def _is_known(connection: psycopg.Connection, provider: str, model: str) -> bool:
    row = connection.execute(BOOKED, {"provider": provider, "model": model}).fetchone()
    if row and row[0]:
        return True
    return not isinstance(snapshot_rows(provider, model, at=datetime.now(UTC)), Refused)


def _text(connection: psycopg.Connection, template: str, day: date, **parts: Composed | Literal | SQL) -> str:
    window = range_window(day, day)
    query = SQL(template).format(  # pyright: ignore[reportArgumentType]
        start=Literal(window.start), end=Literal(window.end), **parts
    )
    return query.as_string(connection)
