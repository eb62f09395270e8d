"""One read-only query, printed as a table, CSV or JSON."""

import csv
import json
import math
import re
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
from rich.console import Console
from rich.table import Table

from ingest.database.connect import connect
from ingest.database.embedded import reader_url
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.commands.errors import UserError


def print_query(query: str, *, settings: Settings, url: DatabaseUrl, form: str) -> None:
    """Run `query` in a read-only transaction as the reader; raises UserError with the server's one line."""
    reader = reader_url(settings, url)
    try:
        with connect(reader, application_name="lqo sql") as connection:
            connection.read_only = True
            names, rows = _read(connection, query)
    except psycopg.Error as error:
        raise UserError(error.diag.message_primary or str(error)) from error
    print_rows(names, rows, form=form)


def print_statement(
    connection: psycopg.Connection, statement: LiteralString, *, form: str, is_rounded: bool = False
) -> None:
    """Print what a statement of ours gives."""
    cursor = connection.execute(statement)
    names = [column.name for column in cursor.description or ()]
    print_rows(names, cursor.fetchall(), form=form, is_rounded=is_rounded)


# What a client calls a model or a user must not give orders to a terminal, nor turn the columns beside it.
_CONTROLS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")


def print_rows(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, form: str, is_rounded: bool = False
) -> None:
    """Print rows as a table, CSV or JSON.

    `is_rounded`: a table is for reading, so floats have four digits in it and moments are UTC to the second.
    """
    if is_rounded and form == "table":
        rows = [[_rounded(value) for value in row] for row in rows]
    {"table": _table, "csv": _csv, "json": _json}[form](names, rows)


def _read(connection: psycopg.Connection, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names and rows of one statement; text that this process's locale could not read arrives as it was."""
    try:
        # Prepared, Postgres refuses a second statement; otherwise only the first one's rows would show.
        cursor = connection.execute(query.encode("utf-8", "surrogateescape"), prepare=True)
        if cursor.description is None:
            raise UserError("the statement returns no rows; `lqo sql` only reads", code=2)
        return [column.name for column in cursor.description], cursor.fetchall()
    except psycopg.Error:
        # After a refused COPY a rollback would fail and say so in a line of its own.
        connection.close()
        raise


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else _CONTROLS.sub("\ufffd", _text(value)) for value in row))
    console = _wide_console()
    console.print(table, markup=False)
    console.print(f"({len(rows)} row{'' if len(rows) == 1 else 's'})", style="dim", highlight=False)


def _wide_console() -> Console:
    """A pipe has no width: folding cells at 80 columns would only break what reads them."""
    console = Console()
    return console if console.is_terminal else Console(width=10_000)


def _csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(names)
    writer.writerows([["" if value is None else _text(value) for value in row] for row in rows])


def _json(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    keys = _distinct(names)
    objects = [{key: _finite(value) for key, value in zip(keys, row, strict=True)} for row in rows]
    json.dump(objects, sys.stdout, default=_plain, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def _distinct(names: Sequence[str]) -> list[str]:
    """The names with `_2`, `_3` … after those that come again, never one that another column has."""
    taken, keys = set(names), list[str]()
    for name in names:
        key, number = name, 2
        if name in keys:
            while (key := f"{name}_{number}") in taken:
                number += 1
        taken.add(key)
        keys.append(key)
    return keys


def _finite(value: Any) -> Any:
    """JSON has no word for NaN and Infinity: as text, as Postgres writes them, and apart from null."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return value


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, Decimal):
        return format(value, "f")  # a 0 with many places would be 0E-24
    if isinstance(value, dict | list):
        return json.dumps(_finite(value), default=_plain, ensure_ascii=False, allow_nan=False)
    return str(value)


def _rounded(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    return value


def _plain(value: Any) -> str:
    """Decimals stay exact in JSON: as strings, as every other type JSON has no word for."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
