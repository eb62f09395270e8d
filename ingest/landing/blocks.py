"""Rows as streams of binary COPY, in blocks."""

import struct
from collections.abc import Iterable, Iterator, Sequence

from psycopg import Cursor
from psycopg.rows import TupleRow

from ingest.landing.columns import BODY_COLUMNS, CALLS, STAGE
from ingest.landing.content import compress_all
from ingest.landing.prepare import Row
from ingest.landing.render import HEADER, NULL, TRAILER, data_field, key_of
from ingest.landing.statements import Statement

BLOCK_ROWS = 500

_count = struct.Struct(">h").pack
_CALL_ROW, _BODY_ROW = _count(len(CALLS)), _count(len(BODY_COLUMNS))
_stage_row = struct.Struct(">hii").pack


def call_rows(rows: Sequence[Row]) -> Iterator[bytes]:
    """`raw.llm_calls`, in the order of `columns.CALLS`."""
    return (_CALL_ROW + row.fields.call for row in rows)


def body_rows(rows: Sequence[Row], bodies: Sequence[bytes]) -> Iterator[bytes]:
    """`raw.llm_bodies`, in the order of `columns.BODY_COLUMNS`."""
    for row, body in zip(rows, bodies, strict=True):
        yield b"".join((_BODY_ROW, key_of(row.fields.call), body, row.fields.texts))


def stage_rows(rows: Sequence[Row], bodies: Sequence[bytes]) -> Iterator[bytes]:
    """The stage, in the order of `columns.STAGE`."""
    for row, body in zip(rows, bodies, strict=True):
        yield b"".join((_stage_row(len(STAGE), 4, row.index), row.fields.call, body, row.fields.texts))


def body_fields(rows: Sequence[Row]) -> list[bytes]:
    """Request and response of each row, compressed, as two fields."""
    stored = compress_all([body for row in rows for body in (row.call.request, row.call.response)])
    fields = [NULL if body is None else data_field(body) for body in stored]
    return [request + response for request, response in zip(fields[::2], fields[1::2], strict=True)]


def send(cursor: Cursor[TupleRow], statement: Statement, rows: Iterable[bytes]) -> None:
    """Run a COPY over rendered rows."""
    with cursor.copy(statement) as copy:
        for block in _blocks(rows):
            copy.write(block)


def _blocks(rows: Iterable[bytes]) -> Iterator[bytes]:
    block = [HEADER]
    for row in rows:
        block.append(row)
        if len(block) == BLOCK_ROWS:
            yield b"".join(block)
            block = []
    yield b"".join((*block, TRAILER))
