"""A line of canonical JSONL, read: typed where the contract is, with the rest of the line's members apart.

docs/call-record.md describes the format.
"""

from datetime import datetime
from typing import Any

import msgspec

from ingest.call import Attempt
from ingest.importers.shapes import Shape
from ingest.landing.result import Problem

Name = str | int | None
"""Text, or a number that is meant as a name: user 42, prompt version 3."""
_ABSENT = msgspec.Raw()


class Record(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The members a line may have. `Raw` ones keep their bytes as they stand in the line."""

    call_id: Name = None
    external_id: Name = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    source: str | None = None
    endpoint: str | None = None
    provider: str | None = None
    requested_model: str | None = None
    served_model: str | None = None
    project: Name = None
    environment: Name = None
    key_id: Name = None
    user_id: Name = None
    session_id: Name = None
    trace_id: Name = None
    prompt_name: Name = None
    prompt_version: Name = None
    tags: Any = None
    is_streamed: bool | None = None
    status: str | None = None
    http_status: int | None = None
    error_type: Name = None
    error_message: str | None = None
    finish_reason: str | None = None
    ttft_ms: float | None = None
    latency_ms: float | None = None
    usage: msgspec.Raw = _ABSENT
    usage_raw: str | None = None
    purpose: str | None = None
    body_state: str | None = None
    attempts: tuple[Attempt, ...] | None = None
    request: msgspec.Raw = _ABSENT
    response: msgspec.Raw = _ABSENT
    messages: msgspec.Raw = _ABSENT
    input_text: str | None = None
    output_text: str | None = None
    load_id: msgspec.Raw = _ABSENT
    landed_at: msgspec.Raw = _ABSENT
    content_hash: msgspec.Raw = _ABSENT
    input_preview: msgspec.Raw = _ABSENT
    output_preview: msgspec.Raw = _ABSENT


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """A record and the members it does not know."""

    record: Record
    unknown: dict[str, Any]


_shape = Shape(Record)


def parse_line(line: bytes) -> Parsed | Problem:
    """Read one line, or say why it cannot be read."""
    read = _shape.read(line)
    return read if isinstance(read, Problem) else Parsed(*read)
