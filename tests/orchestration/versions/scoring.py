"""Versions and scores for tests, made in SQL."""

from datetime import datetime
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from orchestration.versions.registry import Version, register_version

Connection = psycopg.Connection[TupleRow]

SCORE: LiteralString = """
insert into evaluation.judgements (
    started_at, call_id, evaluator_version_id, value, unscored_reason, label, explanation, judge_model
)
select
    started_at, call_id, %(version)s, value, case when value is null then 'parse_error' end, %(label)s,
    %(explanation)s, 'm'
from (
    select
        started_at,
        call_id,
        (%(values)s::numeric[])[1 + (row_number() over (order by started_at, call_id) - 1)
            %% cardinality(%(values)s::numeric[])] as value
    from raw.llm_calls
    where started_at >= %(start)s and started_at < %(end)s
) as calls
"""


def version(connection: Connection, name: str, *, evaluator: str = "tone", kind: str = "judge") -> Version:
    """The registered version; the first of an evaluator is active."""
    return register_version(connection, evaluator=evaluator, version=name, kind=kind)  # type: ignore[arg-type]


def score(
    connection: Connection,
    of: Version,
    values: list[float | None],
    *,
    start: datetime,
    end: datetime,
    label: str | None = None,
    explanation: str | None = None,
) -> None:
    """Score the calls of the span with the values in turn; None is unscored."""
    given = {
        "version": of.id,
        "values": values,
        "start": start,
        "end": end,
        "label": label,
        "explanation": explanation,
    }
    with connection.transaction():
        connection.execute(SCORE, given)
