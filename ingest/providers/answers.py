"""What an answer says of its model and its usage, from its first and last kilobytes, on the event loop."""

from collections.abc import Iterator
from typing import Any

import msgspec

from ingest.providers.base import Reading
from ingest.providers.lenient import decode_content
from ingest.providers.members import as_text, leading_value, trailing_value

TIER = "service_tier"
SERVICE_TIER_TAG = "lqo.service_tier"
"""The tag of a call that says the service tier of its answer, where that stands beside the usage object."""

LONGEST_TIER = 40
_LARGEST_UNPACKED = 4 << 20
_OBJECT = (msgspec.MsgspecError, ValueError, RecursionError)


def unpacked(head: bytes, tail: bytes) -> tuple[bytes, bytes]:
    """The same of a packed answer, where all of it is in `tail`; the pieces of a longer one say nothing."""
    if not head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")) or not tail.startswith(head):
        return head, tail
    body, _ = decode_content(tail, limit=_LARGEST_UNPACKED)
    return body, body


def read_document(head: bytes, tail: bytes, *, usage: str, model: str) -> Reading:
    """These members of a JSON document and its service tier, also where only its two ends are there."""
    values: dict[str, Any] = {}
    if tail.lstrip(b" \t\n\r\xef\xbb\xbf")[:1] == b"{" and (whole := read_members(tail)) is not None:
        values = whole
    else:
        end, start = as_text(tail), as_text(head)
        # Some servers say it before what they were asked for: llama.cpp its usage before the vectors.
        for name in (usage, model, TIER):
            values[name] = trailing_value(end, name) or leading_value(start, name)
    return reading_of(values.get(model), values.get(usage), tier=values.get(TIER))


def reading_of(model: Any, usage: Any, *, tier: Any = None) -> Reading:
    return Reading(
        served_model=model if isinstance(model, str) and model else None,
        usage=usage if isinstance(usage, dict) else None,
        service_tier=tier_of(tier),
    )


def tier_of(value: Any) -> str | None:
    """A service tier as an answer says it; none of ours to judge, but no text of any length either."""
    return value[:LONGEST_TIER] if isinstance(value, str) and value else None


def read_members(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data`, None for anything else; lone surrogates and NaN read as None, too."""
    try:
        value = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except _OBJECT:
        return None
    return value if isinstance(value, dict) else None


def last_frames(tail: bytes, *, holding: bytes) -> Iterator[bytes]:
    """The data of the events in `tail` that hold these bytes, the last one first. A cut one is given, too."""
    at = len(tail)
    while (at := tail.rfind(holding, 0, at)) >= 0:
        start = max(tail.rfind(b"\ndata:", 0, at), tail.rfind(b"\rdata:", 0, at))
        begin = start + 6 if start >= 0 else 5 if tail.startswith(b"data:") else 0
        ends = [end for mark in (b"\n", b"\r") if (end := tail.find(mark, at)) >= 0]
        yield tail[begin : min(ends, default=len(tail))].strip()
        at = max(start, 0)
