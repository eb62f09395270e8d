"""Small Markdown tables for the metadata of materialisations and checks."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import psycopg
from psycopg.sql import SQL, Composable, Identifier

from orchestration.windows import Window

MOST_ROWS = 5
MOST_CHARACTERS = 40


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; long values are cut to 40 characters."""
    if not rows:
        return "*no rows*"
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def count_rows(
    connection: psycopg.Connection, relation: Identifier, *, column: str, windows: Sequence[Window]
) -> int:
    """Rows of a relation whose `column` (timestamptz, or date of UTC days) lies in the windows."""
    query = SQL("select count(*) from {} where {}").format(relation, _inside(column, windows))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def newest_rows(
    connection: psycopg.Connection, relation: Identifier, *, column: str, windows: Sequence[Window]
) -> str:
    """The newest five rows of the windows as a Markdown table."""
    query = SQL("select * from {} where {} order by {} desc limit {}").format(
        relation, _inside(column, windows), Identifier(column), MOST_ROWS
    )
    cursor = connection.execute(query)
    columns = [column.name for column in cursor.description or ()]
    return markdown_table(columns, cursor.fetchall())


def _inside(column: str, windows: Sequence[Window]) -> Composable:
    ranges = [
        SQL("({0} >= {1} and {0} < {2})").format(Identifier(column), window.start, window.end)
        for window in windows
    ]
    return SQL(" or ").join(ranges) if ranges else SQL("false")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    text = str(value).replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
