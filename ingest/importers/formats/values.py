"""Reading what exports write in several ways: times, JSON inside text, maps, what goes into tags."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ingest.importers.odd_text import decode_odd, scan_object
from ingest.intake.opinions import LARGEST
from ingest.intake.otlp.rest import LONGEST_NAME, MOST_TAGS, bounded
from ingest.providers.lenient import read_json

DROPPED_TAG = "lqo.dropped_members"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_HUMP = re.compile(r"(?<=[a-z])[A-Z]")
_text = msgspec.json.Decoder(str)


def utc(at: datetime | None) -> datetime | None:
    """A time without an offset is UTC: only for formats whose maker says so."""
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def body_of(raw: msgspec.Raw) -> tuple[bytes | None, str | None]:
    """A member that is JSON, or text that holds an object or a list: that JSON, else the text."""
    data = bytes(raw)
    if data in (b"", b"null", b'""', b"{}", b"[]"):
        return None, None
    if data[:1] != b'"':
        return data, None
    text = string_of(data)
    if text[:1] in ("{", "[") and isinstance(read_json(inner := encoded(text)), dict | list):
        return inner, None
    return None, text


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def string_of(data: bytes) -> str:
    """The text of a JSON string, lone surrogates and all."""
    try:
        return _text.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = read_json(data)
        return value if isinstance(value, str) else data.decode("utf-8", "replace")


def snake_cased(line: bytes) -> bytes:
    """The object with its own members' names in snake_case; a line that is none as it is."""
    try:
        members = [(name, bytes(raw)) for name, raw in _members.decode(line).items()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text, errors = decode_odd(line)
        try:
            members = [(name, at.encode("utf-8", errors)) for name, (_, at) in scan_object(text).items()]
        except (ValueError, RecursionError):
            return line
    renamed = (b'"%b":%b' % (encoded(_HUMP.sub(_lower, name)), raw) for name, raw in members)
    return b"{%b}" % b",".join(renamed)


def _lower(hump: re.Match[str]) -> str:
    return f"_{hump[0].lower()}"


def encoded_json(value: Any) -> bytes:
    """The value as JSON, lone surrogates as escapes."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError):
        return json.dumps(value, default=str).encode()


def number_of(value: Any) -> float | None:
    """A number (or a yes or no) to count with; None for what is none, or too large for sums."""
    is_number = isinstance(value, bool | int | float) and abs(value) <= LARGEST
    return float(value) if is_number else None


def mapping_of(value: Any) -> dict[str, Any]:
    """An object; as one, as JSON in a string, or as Parquet's list of keys and values."""
    if isinstance(value, str):
        value = read_json(encoded(value))
    if isinstance(value, list) and all(isinstance(each, dict) and "key" in each for each in value):
        return {str(each["key"]): each.get("value") for each in value}
    return value if isinstance(value, dict) else {}


def tags_of(members: Mapping[str, Any]) -> dict[str, Any]:
    """Up to 64 members as tags, values of at most 1,000 characters; without empty ones, the rest counted."""
    tags: dict[str, Any] = {}
    dropped = 0
    for name, value in members.items():
        if value is None or value is False or value in ("", [], {}):
            continue
        if len(tags) >= MOST_TAGS or len(name) > LONGEST_NAME:
            dropped += 1
            continue
        tags[name] = bounded(value)
    return {**tags, DROPPED_TAG: dropped} if dropped else tags
