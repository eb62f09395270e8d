"""Anthropic's `/v1/messages`.

Reference: https://docs.anthropic.com/en/api
"""

import re
from typing import Any

import msgspec

from ingest.providers.answers import last_frames, read_document, read_members, reading_of, unpacked
from ingest.providers.anthropic_messages import merged_usage, read_exchange
from ingest.providers.base import Headers, Prepared, Provider, Reading
from ingest.providers.lenient import is_event_stream
from ingest.providers.openai_stream import UsageFilter
from ingest.providers.requests import prepared_from, with_body_model
from ingest.providers.values import member, object_of

BASE_URL = "https://api.anthropic.com"
MESSAGES = "/v1/messages"
_COUNT_TOKENS = "/v1/messages/count_tokens"
_TERMINAL = re.compile(rb"[\r\n]event: ?message_stop[\r\n]")
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def anthropic_provider(base_url: str | None = None) -> Provider:
    """The messages dialect at `base_url`, given as an SDK takes it (without /v1)."""
    return Provider(
        name="anthropic",
        wire="anthropic",
        base_url=(base_url or BASE_URL).rstrip("/").removesuffix("/v1"),
        endpoint_of=lambda path: path if path == MESSAGES else None,
        is_passed_through=_is_passed_through,
        upstream_path=lambda path: path,
        prepare=prepare,
        with_model=with_body_model,
        secret_header=lambda secret: ("x-api-key", secret),
        usage_filter=UsageFilter,
        is_terminal=is_terminal,
        read_usage=read_usage,
        read_exchange=read_exchange,
        error_body=error_body,
    )


def prepare(body: bytes, *, path: str = MESSAGES, query: str = "") -> Prepared:
    """The request as it is: usage comes unasked."""
    return prepared_from(body, path=path, query=query)


def is_terminal(tail: bytes) -> bool:
    """Has the event begun that ends a message?"""
    return b"message_stop" in tail and _TERMINAL.search(tail) is not None


def read_usage(*, head: bytes, tail: bytes) -> Reading:
    """Model and usage of a document, or of a stream: input from its first event, output from its last."""
    head, tail = unpacked(head, tail)
    if not is_event_stream(head or tail):
        return read_document(head, tail, usage="usage", model="model")
    start = member(_event(head, b'"message_start"'), "message")
    last = _event(tail, b'"message_delta"')
    usage = merged_usage(object_of(start.get("usage")), object_of(last.get("usage")))
    return reading_of(start.get("model"), usage)


def error_body(message: str, *, kind: str, status: int) -> bytes:
    """An error in the shape that Anthropic clients read: the type is theirs, `code` says ours."""
    named = _TYPES.get(status, "api_error")
    return msgspec.json.encode(
        {"type": "error", "error": {"type": named, "message": message, "code": kind}, "request_id": None}
    )


def _event(data: bytes, kind: bytes) -> dict[str, Any]:
    """The last event of a kind; empty where none is whole."""
    for frame in last_frames(data, holding=kind):
        if (event := read_members(frame)) is not None and event.get("type") == kind[1:-1].decode():
            return event
    return {}


def _is_passed_through(path: str, headers: Headers) -> bool:
    is_models = path == "/v1/models" or path.startswith("/v1/models/")
    return path == _COUNT_TOKENS or (is_models and any(name == b"anthropic-version" for name, _ in headers))
