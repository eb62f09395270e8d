"""JSON requests: the few members the hot path needs, and the same request for another model."""

from typing import Any

import msgspec

from ingest.providers.base import Prepared
from ingest.providers.lenient import read_object
from ingest.providers.members import as_bytes, as_text, top_members

_DECIDING = ("model", "stream")
_TOKENS = (b'"model"', b'"stream"')
_LARGEST_ODD = 1 << 20
"""Bytes of a body that is not strict JSON and is read all the same; Python's reader blocks for 5 ms a MB."""


class JsonRequest(msgspec.Struct):
    """What may decide where a request goes and what it costs; everything else is skipped unread."""

    model: Any = None
    stream: Any = None
    stream_options: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    max_tokens: Any = None


_request = msgspec.json.Decoder(JsonRequest)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def read_request(body: bytes) -> JsonRequest:
    """The request's members; all None where it is no JSON object. Never raises."""
    try:
        return _request.decode(body)
    except _UNREADABLE:
        pass
    if len(body) > _LARGEST_ODD:
        return JsonRequest()
    # A byte order mark, NaN, a lone surrogate: providers read these, so we do.
    members = read_object(body)
    return JsonRequest(**{name: members.get(name) for name in JsonRequest.__struct_fields__})


def prepared_from(body: bytes, *, path: str, query: str, request: JsonRequest | None = None) -> Prepared:
    """The request as it is, read: model and streaming in the body."""
    request = request or read_request(body)
    return Prepared(
        body=body,
        path=f"{path}?{query}" if query else path,
        requested_model=request.model if isinstance(request.model, str) else "",
        is_streamed=request.stream is True,
        output_limit=_output_limit(request),
        problem=ambiguity_of(body),
    )


def with_body_model(prepared: Prepared, *, model: str) -> Prepared:
    """The same request for another model: its value is exchanged, every other byte stays."""
    body = with_member(prepared.body, "model", value=model)
    return prepared if body is None else msgspec.structs.replace(prepared, body=body, requested_model=model)


def with_member(body: bytes, name: str, *, value: object) -> bytes | None:
    """The JSON object with this member's value exchanged, or put in front; None where it is no object."""
    text, written = as_text(body), msgspec.json.encode(value).decode()
    try:
        members = list(top_members(text))
    except (ValueError, RecursionError):
        return None
    found = [member for member in members if member.name == name]
    if found:
        return as_bytes(text[: found[-1].start] + written + text[found[-1].end :])
    at = text.index("{") + 1
    comma = "," if members else ""
    return as_bytes(f'{text[:at]}"{name}":{written}{comma}{text[at:]}')


def ambiguity_of(body: bytes) -> str | None:
    """Why two readers of this body may see two models, in a line; None for any ordinary body.

    Some parsers take the first of two equal names, most the last, and Go's ignore their case. Counting in C
    what stands outside of the values takes a millisecond a megabyte; a scan in Python would take ten.
    """
    try:
        members = _members.decode(body)
    except _UNREADABLE:
        return _twice(body) if len(body) <= _LARGEST_ODD else None
    deciding = [name for name in members if name.lower() in _DECIDING]
    has_more = any(_outside_values(token, body, members) > 1 for token in _TOKENS if body.count(token) > 1)
    has_escapes = b"\\u" in body and _outside_values(b"\\u", body, members) > 0
    is_ordinary = not (has_more or has_escapes) and all(name in _DECIDING for name in deciding)
    return None if is_ordinary else _twice(body)


def _outside_values(token: bytes, body: bytes, members: dict[str, msgspec.Raw]) -> int:
    """How often these bytes stand among the names of the top level, those of dropped duplicates too."""
    return body.count(token) - sum(bytes(value).count(token) for value in members.values())


def _twice(body: bytes) -> str | None:
    seen: set[str] = set()
    try:
        for member in top_members(as_text(body)):
            name = member.name.lower()
            if name in _DECIDING and name in seen:
                return f"the request says `{name}` twice"
            seen.add(name)
    except (ValueError, RecursionError):
        return None
    return None


def _output_limit(request: JsonRequest) -> int | None:
    given = request.max_completion_tokens, request.max_output_tokens, request.max_tokens
    return next((limit for limit in given if type(limit) is int and limit >= 0), None)
