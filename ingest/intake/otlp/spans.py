"""Spans as this package reads them, whichever way they were encoded."""

from collections.abc import Mapping
from typing import Any

import msgspec

Attributes = Mapping[str, Any]


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something that happened within a span, `at_ns` Unix nanoseconds."""

    name: str
    at_ns: int
    attributes: Attributes


class Span(msgspec.Struct, frozen=True, gc=False):
    """One span. Ids are lower-case hexadecimal, times Unix nanoseconds; `scope` is the instrumentation."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    start_ns: int
    end_ns: int
    is_error: bool
    message: str
    attributes: Attributes
    events: tuple[Event, ...]
    resource: Attributes
    scope: str


class UnreadableError(ValueError):
    """The body is no export request; the message is one line."""
