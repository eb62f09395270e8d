"""What has landed, read back; each read ends its transaction, so that others can go on."""

import psycopg
from psycopg.rows import TupleRow

COUNTS = """
select
    (select count(*) from raw.llm_calls) as n_calls,
    (select count(*) from raw.llm_bodies) as n_bodies,
    (select count(*) from raw.external_ids) as n_ids,
    (select count(*) from raw.dirty_hours) as n_hours,
    (select count(*) from raw.dead_letters) as n_dead
"""


def rows(connection: psycopg.Connection[TupleRow], columns: str = "call_id, status") -> list[TupleRow]:
    """Calls with their bodies, oldest first."""
    query = f"select {columns} from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)"
    found = connection.execute(f"{query} order by started_at").fetchall()  # pyright: ignore[reportArgumentType]
    connection.rollback()
    return found


def count(connection: psycopg.Connection[TupleRow], relation: str) -> int:
    """Rows of a relation; it may carry a condition (`raw.loads where …`)."""
    row = connection.execute(f"select count(*) from {relation}").fetchone()  # pyright: ignore[reportArgumentType]
    connection.rollback()
    assert row is not None
    return row[0]


def counts(connection: psycopg.Connection[TupleRow]) -> tuple[int, ...]:
    """Calls, bodies, external ids, dirty hours and dead letters."""
    row = connection.execute(COUNTS).fetchone()
    connection.rollback()
    assert row is not None
    return tuple(row)
