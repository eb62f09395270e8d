"""Rows to polars frames and back: a server-side cursor in, COPY out."""

from collections.abc import Mapping
from typing import Any, LiteralString

import polars as pl
from psycopg import Connection, Cursor
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

FETCH_ROWS = 1_000
# 48 MB of text and bodies a chunk: calls of 2 KB fill a chunk by rows, calls of 1 MB by bytes.
CHUNK_BYTES = 48 * 2**20

Schema = Mapping[str, pl.DataType]


def read_chunk(
    connection: Connection[TupleRow],
    query: LiteralString,
    *,
    params: Mapping[str, object],
    schema: Schema,
    max_bytes: int | None = CHUNK_BYTES,
) -> pl.DataFrame:
    """The query's rows as a frame of `schema` (columns by position), cut once they hold `max_bytes`.

    Runs inside the caller's transaction. The cut falls on a block of at most 1,000 rows; None never cuts.
    """
    columns: list[list[Any]] = [[] for _ in schema]
    n_bytes = 0
    texts = [n for n, dtype in enumerate(schema.values()) if isinstance(dtype, pl.String | pl.Binary)]
    with connection.cursor("chunk", scrollable=False) as cursor:
        cursor.execute(query, params, binary=True)
        while (max_bytes is None or n_bytes < max_bytes) and (block := cursor.fetchmany(FETCH_ROWS)):
            # The rows go at once: kept, 20,000 of them made the garbage collector look at everything (60 ms).
            values = list(zip(*block, strict=True))
            for column, added in zip(columns, values, strict=True):
                column.extend(added)
            n_bytes += sum(sum(map(len, filter(None, values[text]))) for text in texts)
    return pl.DataFrame(
        {
            name: pl.Series(name, values, dtype=dtype)
            for (name, dtype), values in zip(schema.items(), columns, strict=True)
        }
    )


def copy_frame(cursor: Cursor[TupleRow], frame: pl.DataFrame, *, table: str) -> None:
    """COPY every column of the frame into the columns of the same names of `table` (a plain name)."""
    names = SQL(", ").join(map(Identifier, frame.columns))
    statement = SQL("copy {} ({}) from stdin").format(Identifier(table), names)
    with cursor.copy(statement) as copy:
        for part in frame.iter_slices(10_000):
            copy.write(copy_text(part))


def copy_text(frame: pl.DataFrame) -> bytes:
    """The frame in COPY's text format, where (unlike CSV) no content can be taken for its end mark."""
    if frame.is_empty():
        return b""
    fields = [_field(name, frame.schema[name]) for name in frame.columns]
    lines = frame.select(pl.concat_str(fields, separator="\t")).to_series()
    return ("\n".join(lines.to_list()) + "\n").encode()


def _field(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.List):
        text = pl.concat_str(pl.lit("{"), column.cast(pl.List(pl.String)).list.join(","), pl.lit("}"))
    elif isinstance(dtype, pl.Datetime):
        text = column.dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00")
    elif isinstance(dtype, pl.Boolean):
        text = column.cast(pl.String)
    else:
        text = column.cast(pl.String)
        if isinstance(dtype, pl.String):
            text = _escaped(text)
    return text.fill_null("\\N")


def _escaped(text: pl.Expr) -> pl.Expr:
    for character, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.str.replace_all(character, escape, literal=True)
    return text
