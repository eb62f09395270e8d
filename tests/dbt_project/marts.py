"""Reading marts whole, and comparing them."""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

TABLES = (
    "calls",
    "calls_hourly",
    "quality_hourly",
    "latency_hourly",
    "latency_hourly_histogram",
    "latency_daily_histogram",
    "cost_daily",
    "cost_hourly",
    "cost_by_user_hourly",
    "budget_spending_hourly",
    "evaluation_coverage",
    "model_comparison",
    "model_availability",
    "feedback",
    "feedback_hourly",
    "judge_cost_hourly",
    "judge_quality_daily",
    "judged_calls",
    "failing_hourly",
)

Rows = list[str]


def snapshot(connection: psycopg.Connection[TupleRow]) -> dict[str, Rows]:
    """Every row of every mart as text, sorted: equal snapshots are equal row for row."""
    return {table: rows_of(connection, table) for table in TABLES}


def rows_of(connection: psycopg.Connection[TupleRow], table: str) -> Rows:
    """Every row of a mart as text, sorted."""
    query = sql.SQL("select mart::text from {} as mart order by 1").format(sql.Identifier("marts", table))
    rows = [text for (text,) in connection.execute(query)]
    connection.rollback()
    return rows


def records(connection: psycopg.Connection[TupleRow], query: str) -> list[dict[str, Any]]:
    """The rows of a query, by column name."""
    cursor = connection.execute(query)
    names = [column.name for column in cursor.description or ()]
    found = [dict(zip(names, row, strict=True)) for row in cursor]
    connection.rollback()
    return found
