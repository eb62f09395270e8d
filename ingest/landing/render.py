"""A call as fields of binary COPY: https://www.postgresql.org/docs/current/sql-copy.html (Binary Format)."""

import re
import struct
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from ingest.call import Call
from ingest.landing.columns import LONGEST_NAME, N_OWN_NAMES, NAMES, TEXTS
from ingest.uuid7 import EPOCH

Previews = tuple[str | None, str | None]
"""The first characters of input and output."""

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

_POSTGRES_EPOCH = 946_684_800_000_000
"""Postgres counts microseconds from 2000-01-01; this is that moment in Unix microseconds."""
NULL = b"\xff\xff\xff\xff"
_fixed = struct.Struct(">i16s iq i16s i? i32s").pack
_KEY_BYTES = 4 + 16 + 4 + 8
_size = struct.Struct(">i").pack
_integer = struct.Struct(">ii").pack
_bigint = struct.Struct(">iq").pack
_double = struct.Struct(">id").pack
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""NUL as JSON writes it, with an odd number of backslashes; after an even number it is plain text."""
_encode_json = msgspec.json.Encoder().encode
_names_of = attrgetter(*NAMES[:-N_OWN_NAMES])
_own_names_of = attrgetter(*NAMES[-N_OWN_NAMES:])
_texts_of = attrgetter(*TEXTS)
_NO_TAGS = _size(3) + b"\x01{}"
_NO_ATTEMPTS = _size(3) + b"\x01[]"


class UnholdableError(ValueError):
    """A text or document is more than Postgres can hold: repair the call and render it again."""


class Rendered(msgspec.Struct, frozen=True, gc=False):
    """A call's fields: `columns.CALLS`, and those of the body texts. Its bodies are rendered with others'."""

    call: bytes
    texts: bytes


def render(call: Call, *, content_hash: bytes, load_id: UUID, previews: Previews) -> Rendered:
    """The fields of a valid call; `started_at` is the millisecond in its id.

    Raises UnholdableError for NUL or a lone surrogate anywhere, a name too long for an index, or a
    document that JSON cannot hold.
    """
    call_id = call.call_id
    started_at = (call_id.int >> 80) * 1000 - _POSTGRES_EPOCH
    ids = (16, call_id.bytes, 8, started_at, 16, load_id.bytes)
    fields = b"".join(
        (
            _fixed(*ids, 1, call.is_streamed, 32, content_hash),
            _names(_names_of(call)),
            *map(_name, _own_names_of(call)),
            *map(_text, _texts_of(call)),
            _document(call.tags) if call.tags else _NO_TAGS,
            NULL if call.usage is None else _document(call.usage),
            _document(call.attempts) if call.attempts else _NO_ATTEMPTS,
            *map(_text, previews),
            _moment(call.ended_at),
            NULL if call.http_status is None else _integer(4, call.http_status),
            NULL if call.ttft_ms is None else _double(8, call.ttft_ms),
            NULL if call.latency_ms is None else _double(8, call.latency_ms),
        )
    )
    return Rendered(fields, _text(call.input_text) + _text(call.output_text))


def key_of(call: bytes) -> bytes:
    """The fields `call_id` and `started_at` of a rendered call."""
    return call[:_KEY_BYTES]


def data_field(data: bytes) -> bytes:
    """A field that holds `data` as it is."""
    return _size(len(data)) + data


@lru_cache(maxsize=4096)
def _names(values: tuple[str | None, ...]) -> bytes:
    """The names that many calls have in common, looked up together: that is half the work of each alone."""
    return b"".join(map(_name, values))


@lru_cache(maxsize=16384)
def _name(value: str | None) -> bytes:
    if value is not None and len(value) > LONGEST_NAME:
        raise UnholdableError
    return _text(value)


def _text(value: str | None) -> bytes:
    if value is None:
        return NULL
    if "\x00" in value:
        raise UnholdableError
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise UnholdableError from None
    return _size(len(data)) + data


def _document(value: Any) -> bytes:
    try:
        data = _encode_json(value)
    except (UnicodeEncodeError, RecursionError, TypeError, ValueError):
        raise UnholdableError from None
    if b"\\u0000" in data and _ESCAPED_NUL.search(data):
        raise UnholdableError
    return _size(len(data) + 1) + b"\x01" + data


def _moment(value: datetime | None) -> bytes:
    if value is None:
        return NULL
    delta = value - EPOCH
    microseconds = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    return _bigint(8, microseconds - _POSTGRES_EPOCH)
