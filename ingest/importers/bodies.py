"""The bodies of a record and what they say."""

import json
from typing import Any

import msgspec

from ingest.importers.odd_text import decode_odd
from ingest.importers.plain_chat import read_plain_chat
from ingest.importers.record import Record
from ingest.providers.base import Exchange
from ingest.providers.catalogue import reader_by_shape, reader_of
from ingest.providers.lenient import read_object

_NOTHING_READ = Exchange()


class Bodies(msgspec.Struct, frozen=True, gc=False):
    """Request and response as bytes, and the fields that a record may leave for them to say."""

    request: bytes | None
    response: bytes | None
    input_text: str | None
    output_text: str | None
    requested_model: str | None = None
    served_model: str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    usage_raw: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    service_tier: str | None = None

    @property
    def state(self) -> str:
        if self.request is not None or self.response is not None:
            return "full"
        return "none" if self.input_text is None and self.output_text is None else "text"


def read_bodies(record: Record) -> Bodies:
    """The record's bodies; they are read only where the record leaves something out."""
    request, request_text = _body(record.request)
    response, response_text = _body(record.response)
    if request is None and (messages := bytes(record.messages)) not in (b"", b"null"):
        request = _wrapped(record.requested_model, messages)
    model = None
    if record.requested_model is None and request is not None:
        model = read_object(request).get("model")
    said = _NOTHING_READ
    if _is_silent(record) and (request is not None or response is not None):
        said = _exchange(record, request or b"", response or b"")
    return Bodies(
        request=request,
        response=response,
        input_text=_first(record.input_text, said.input_text, request_text),
        output_text=_first(record.output_text, said.output_text, None if said.error_type else response_text),
        requested_model=model if isinstance(model, str) else None,
        served_model=said.served_model,
        finish_reason=said.finish_reason,
        usage=said.usage,
        usage_raw=said.usage_raw,
        error_type=said.error_type,
        error_message=said.error_message,
        service_tier=said.service_tier,
    )


def _is_silent(record: Record) -> bool:
    has_usage = record.usage_raw is not None or bytes(record.usage) not in (b"", b"null")
    said = (record.input_text, record.output_text, record.served_model, record.finish_reason)
    if not has_usage or any(value is None for value in said):
        return True
    return b'"service_tier"' in bytes(record.response)


def _exchange(record: Record, request: bytes, response: bytes) -> Exchange:
    if (said := read_plain_chat(request, response)) is not None:
        return said
    read = reader_of(record.endpoint or "") or reader_by_shape(response)
    return read(
        request=request,
        response=response,
        is_streamed=bool(record.is_streamed),
        http_status=record.http_status,
    )


def _body(raw: msgspec.Raw) -> tuple[bytes | None, str | None]:
    """The body's bytes, and its text if it was given as a string that is no JSON and no event stream."""
    data = bytes(raw)
    if data in (b"", b"null"):
        return None, None
    if data[:1] != b'"':
        return data, None
    text = _string(data)
    is_text = not text.lstrip().startswith(("{", "[", "data:", "event:"))
    return text.encode("utf-8", "surrogatepass"), text if is_text else None


def _string(data: bytes) -> str:
    try:
        return msgspec.json.decode(data, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(decode_odd(data)[0])


def _wrapped(model: str | None, messages: bytes) -> bytes:
    """A chat request that holds the messages as they stand in the line."""
    name = b"" if model is None else b'"model":' + msgspec.json.encode(model) + b","
    return b"{" + name + b'"messages":' + messages + b"}"


def _first(one: str | None, two: str | None, three: str | None) -> str | None:
    return one if one is not None else two if two is not None else three
