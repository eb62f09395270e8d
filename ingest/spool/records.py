"""What the proxy writes to its spool, as MessagePack; the loader reads the same types back."""

from typing import Any, Literal
from uuid import UUID

import msgspec


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Where a large body stands: the name of a file beside the segments, its bytes and their CRC-32."""

    name: str
    size: int
    crc: int


PARENT_SPAN = "parent_span_id"
"""The id of the client's own span, in `Start.observer`: for spans only, no column."""


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start", omit_defaults=True):
    """A call is about to be sent; written before the provider is called.

    `started_at_ns` is Unix nanoseconds; its millisecond is the time in `call_id`. `request` is the
    client's body, byte for byte; `observer` holds the `x-lqo-*` request headers that were recognised,
    under the names of `Call`'s fields: project, environment, user_id, session_id, trace_id, prompt_name,
    prompt_version, and tags (a JSON object as text). `reserved` is budget id to USD. Where not all may be
    kept (`body_state`), `request` is what remains of it and `input_text` the text that may be kept. In the
    spool a large `request` is empty and `stored` says where it is; who reads the spool gets it filled in.
    """

    call_id: UUID
    started_at_ns: int
    endpoint: str
    provider: str
    requested_model: str
    is_streamed: bool = False
    key_id: str | None = None
    observer: dict[str, str] = {}
    purpose: str = "product"
    request: bytes = b""
    body_state: str = "full"
    input_text: str | None = None
    reserved: dict[str, str] = {}
    stored: Stored | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an answer said, read by the proxy because its bytes are not kept; as `providers.base.Exchange`.

    `usage` is JSON: what the provider's objects come to together.
    """

    served_model: str | None = None
    finish_reason: str | None = None
    usage_raw: str | None = None
    usage: str | None = None
    output_text: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    response_id: str | None = None
    unreadable: str | None = None
    service_tier: str | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True, tag="part", omit_defaults=True):
    """Bytes of a stream that the client has been sent so far and that no earlier part holds."""

    call_id: UUID
    number: int
    response: bytes
    stored: Stored | None = None


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end", omit_defaults=True):
    """A call is over; written before the client has its last byte.

    `response` holds what no part holds (all of a plain body). `status` is ok, error or client_gone.
    `ttft_ms` and `latency_ms` are monotonic milliseconds from the start of the call. `said` stands in for a
    response that is not kept. `spent` is budget id to USD, `cost_usd` what the proxy made of the usage.
    """

    call_id: UUID
    ended_at_ns: int
    status: str
    http_status: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    ttft_ms: float | None = None
    latency_ms: float | None = None
    response: bytes = b""
    response_headers: dict[str, str] = {}
    attempts: tuple[dict[str, Any], ...] = ()
    body_state: str = "full"
    said: Said | None = None
    spent: dict[str, str] = {}
    cost_usd: str | None = None
    stored: Stored | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True, tag="delivery", omit_defaults=True):
    """Finished calls that somebody handed in; `lines` are lines of the call record (docs/call-record.md).

    `call_id` is the delivery's own id. `project`, `environment` and `key_id` are the caller's, where they
    override what the lines say. Every line was read without a fault before it was written here.
    """

    call_id: UUID
    source: Literal["import", "otlp"]
    lines: tuple[bytes, ...]
    project: str | None = None
    environment: str | None = None
    key_id: str | None = None
    stored: Stored | None = None


class Opinion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody says of a call: `value` is decimal text, `label` a word; one of the two, or a comment."""

    call_id: UUID
    name: str
    at_ns: int
    value: str | None = None
    label: str | None = None
    comment: str | None = None


class Feedback(msgspec.Struct, frozen=True, kw_only=True, tag="feedback", omit_defaults=True):
    """Opinions that came in one request, given with the key `key_id`. `call_id` is the record's own id."""

    call_id: UUID
    opinions: tuple[Opinion, ...]
    key_id: str | None = None


CallRecord = Start | Part | End
"""What tells of one call that the proxy makes."""
Record = CallRecord | Delivery | Feedback

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """The MessagePack bytes of one record."""
    return _encoder.encode(record)


def decode_record(payload: bytes) -> Record:
    """The record in `payload`; raises msgspec.DecodeError for anything else."""
    return _decoder.decode(payload)


def kind_of(record: Record) -> str:
    """start, part, end, delivery or feedback: the record's tag, stored beside its payload."""
    return str(record.__struct_config__.tag)
