"""OTLP in protobuf: https://github.com/open-telemetry/opentelemetry-proto (collector/trace/v1)."""

from collections.abc import Iterable, Iterator
from typing import Any

from ingest.intake.otlp.spans import Event, Span, UnreadableError

_ERROR = 2
"""STATUS_CODE_ERROR."""


def read_protobuf(body: bytes) -> Iterator[Span]:
    """The spans of an ExportTraceServiceRequest.

    Raises UnreadableError for anything else, ImportError where the extra `otlp` is not installed.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise UnreadableError(f"no ExportTraceServiceRequest: {error}") from None
    return _spans(request)


def answer_protobuf(*, rejected: int, message: str) -> bytes:
    """An ExportTraceServiceResponse; what was taken whole has an empty one."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    response = ExportTraceServiceResponse()
    if rejected or message:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    return response.SerializeToString()


def answer_status(message: str) -> bytes:
    """A google.rpc.Status with nothing but its message (field 2), small enough to write by hand."""
    data = message.encode("utf-8", "backslashreplace")
    size, length = len(data), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return b"\x12" + bytes(length) + bytes([size]) + data


def _spans(request: Any) -> Iterator[Span]:
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        for scoped in group.scope_spans:
            for span in scoped.spans:
                yield _span(span, resource=resource, scope=scoped.scope.name)


def _span(span: Any, *, resource: dict[str, Any], scope: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        is_error=span.status.code == _ERROR,
        message=span.status.message,
        attributes=_attributes(span.attributes),
        events=tuple(
            Event(event.name, event.time_unix_nano, _attributes(event.attributes)) for event in span.events
        ),
        resource=resource,
        scope=scope,
    )


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind)
