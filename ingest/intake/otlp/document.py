"""OTLP in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

Ids are hexadecimal, 64-bit numbers may be strings, and unknown members are passed over.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ingest.intake.otlp.spans import Event, Span, UnreadableError

_ERRORS = (2, "STATUS_CODE_ERROR")


class _Value(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bytes_value: str | None = None
    array_value: "_Array | None" = None
    kvlist_value: "_Pairs | None" = None


class _Array(msgspec.Struct):
    values: list[_Value] = []


class _Pair(msgspec.Struct):
    key: str = ""
    value: _Value | None = None


class _Pairs(msgspec.Struct):
    values: list[_Pair] = []


class _Event(msgspec.Struct, rename="camel"):
    name: str = ""
    time_unix_nano: int | str = 0
    attributes: list[_Pair] = []


class _Status(msgspec.Struct):
    code: int | str = 0
    message: str = ""


class _Span(msgspec.Struct, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    name: str = ""
    start_time_unix_nano: int | str = 0
    end_time_unix_nano: int | str = 0
    attributes: list[_Pair] = []
    events: list[_Event] = []
    status: _Status | None = None


class _Scope(msgspec.Struct):
    name: str = ""


class _ScopeSpans(msgspec.Struct):
    scope: _Scope | None = None
    spans: list[_Span] = []


class _Resource(msgspec.Struct):
    attributes: list[_Pair] = []


class _ResourceSpans(msgspec.Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] = []


class _Request(msgspec.Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] = []


_decoder = msgspec.json.Decoder(_Request)


def read_document(body: bytes) -> Iterator[Span]:
    """The spans of an ExportTraceServiceRequest in JSON. Raises UnreadableError for anything else."""
    try:
        request = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"no ExportTraceServiceRequest: {error}") from None
    return _spans(request)


def answer_document(*, rejected: int, message: str) -> bytes:
    """An ExportTraceServiceResponse; what was taken whole has an empty one."""
    if not rejected and not message:
        return b"{}"
    return msgspec.json.encode({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}})


def _spans(request: _Request) -> Iterator[Span]:
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes if group.resource else ())
        for scoped in group.scope_spans:
            scope = scoped.scope.name if scoped.scope else ""
            for span in scoped.spans:
                yield _span(span, resource=resource, scope=scope)


def _span(span: _Span, *, resource: dict[str, Any], scope: str) -> Span:
    return Span(
        trace_id=span.trace_id.lower(),
        span_id=span.span_id.lower(),
        parent_span_id=span.parent_span_id.lower(),
        name=span.name,
        start_ns=_whole(span.start_time_unix_nano),
        end_ns=_whole(span.end_time_unix_nano),
        is_error=span.status is not None and span.status.code in _ERRORS,
        message=span.status.message if span.status else "",
        attributes=_attributes(span.attributes),
        events=tuple(
            Event(event.name, _whole(event.time_unix_nano), _attributes(event.attributes))
            for event in span.events
        ),
        resource=resource,
        scope=scope,
    )


def _attributes(pairs: Sequence[_Pair]) -> dict[str, Any]:
    return {pair.key: None if pair.value is None else _value(pair.value) for pair in pairs}


def _value(value: _Value) -> Any:
    if value.int_value is not None:
        return _whole(value.int_value) if _is_whole(value.int_value) else value.int_value
    if value.array_value is not None:
        return [_value(each) for each in value.array_value.values]
    if value.kvlist_value is not None:
        return _attributes(value.kvlist_value.values)
    plain = (value.string_value, value.bool_value, value.double_value, value.bytes_value)
    return next((each for each in plain if each is not None), None)


def _is_whole(value: int | str) -> bool:
    text = value.removeprefix("-") if isinstance(value, str) else ""
    return isinstance(value, int) or (len(text) <= 20 and text.isascii() and text.isdigit())


def _whole(value: int | str) -> int:
    return int(value) if _is_whole(value) else 0
