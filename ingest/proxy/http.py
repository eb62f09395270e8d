"""Small HTTP facts: ASGI types, which headers travel, JSON errors, reading a body."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import msgspec

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

OBSERVER_PREFIX = b"x-lqo-"
CALL_ID = b"x-lqo-call-id"
LEAST_RATE = 500.0
"""Bytes a second that a body must come with after its first seconds; Apache's mod_reqtimeout asks as much."""

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Identity is asked for, as usage can be neither asked back out of nor read from a packed stream.
_OURS_TO_SET = frozenset({b"host", b"content-length", b"accept-encoding", b"expect"})
# They tell of the way to us, addresses inside the company included; no provider needs them.
_OF_THE_WAY_HERE = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-real-ip",
    }
)
_NOT_FORWARDED = _HOP_BY_HOP | _OURS_TO_SET | _OF_THE_WAY_HERE
_SECRETS = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key"})
_NOT_RETURNED = _HOP_BY_HOP | {CALL_ID}


class BodyRefusedError(Exception):
    """A request body is not taken. `is_read`: nothing more of it will come."""

    is_read = False


class BodyTooLargeError(BodyRefusedError):
    """A request body went past the limit."""


class ClientGoneError(Exception):
    """The client closed the connection."""


def forwarded_request_headers(headers: Headers) -> list[tuple[str, str]]:
    """What goes upstream: all but hop-by-hop, observer and connection-bound headers."""
    dropped = _NOT_FORWARDED
    if named := _named_in_connection(headers):
        dropped |= named
    kept = [
        (name.decode("latin-1"), _text(value))
        for name, value in headers
        if name not in dropped and not name.startswith(OBSERVER_PREFIX)
    ]
    return [*kept, ("accept-encoding", "identity")]


def without_secrets(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Request headers without the client's key, in whichever header it came."""
    return [(name, value) for name, value in headers if name not in _SECRETS]


def forwarded_response_headers(headers: Headers, *, keeps_length: bool) -> list[tuple[bytes, bytes]]:
    """What goes back to the client; without a length where the body is no longer the upstream's."""
    lowered = [(name.lower(), value) for name, value in headers]
    dropped = _NOT_RETURNED if keeps_length else _NOT_RETURNED | {b"content-length"}
    if named := _named_in_connection(lowered):
        dropped |= named
    return [(name, value) for name, value in lowered if name not in dropped]


def raw_path(scope: Scope) -> str:
    """The path as it came, percent signs and all."""
    return (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")


def header(headers: Headers, name: bytes) -> bytes:
    """The first value of a header (name in lower case); empty where it is absent."""
    return next((value for key, value in headers if key.lower() == name), b"")


async def read_body(
    receive: Receive,
    *,
    headers: Headers,
    limit: int,
    idle_seconds: float,
    least_rate: float = LEAST_RATE,
    take: Callable[[int], None] = lambda size: None,
    has_come: bool = False,
) -> bytes:
    """The whole request body. `take` is told of each part's bytes before it is kept, and may raise.
    `has_come`: the server has all of it, so that no clock needs to be set.

    Raises BodyTooLargeError as soon as the limit is passed (at once for a declared length),
    ClientGoneError, or TimeoutError when nothing came for `idle_seconds` or less than `least_rate` bytes a
    second after them.
    """
    declared = header(headers, b"content-length")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLargeError
    parts: list[bytes] = []
    size = 0
    began = asyncio.get_running_loop().time()
    while True:
        if has_come:
            message = await receive()
        else:
            slowest = began + idle_seconds + size / least_rate
            async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + idle_seconds, slowest)):
                message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        try:
            if size > limit:
                raise BodyTooLargeError
            take(len(part))
        except BodyRefusedError as error:
            error.is_read = not message.get("more_body")
            raise
        if not message.get("more_body"):
            return b"".join((*parts, part)) if parts else part
        parts.append(part)


async def drop_body(receive: Receive, *, seconds: float = 5.0, most: int = 256 << 20) -> None:
    """Read on and keep nothing, so that a refusal already written is not reset away by what still comes."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while most > 0:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
                most -= len(message.get("body", b""))


async def send_json(send: Send, value: object, *, status: int, headers: Headers = ()) -> None:
    """One complete JSON response."""
    await send_bytes(
        send, msgspec.json.encode(value), status=status, content_type=b"application/json", headers=headers
    )


async def send_bytes(
    send: Send,
    body: bytes,
    *,
    status: int,
    content_type: bytes,
    headers: Headers = (),
    unread: Receive | None = None,
) -> None:
    """One complete response; what is left of the request in `unread` is read away before its end."""
    head = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    if unread is not None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await drop_body(unread)
        body = b""
    await send({"type": "http.response.body", "body": body})


def error_body(message: str, *, kind: str) -> dict[str, dict[str, str | None]]:
    """An error in the shape that OpenAI clients read."""
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def _named_in_connection(headers: Headers) -> frozenset[bytes]:
    """Headers that `Connection` declares to be hop-by-hop, too (RFC 9110, 7.6.1)."""
    values = [value for name, value in headers if name == b"connection"]
    return frozenset(token.strip().lower() for value in values for token in value.split(b","))


def _text(value: bytes) -> str:
    # The client library writes header values as UTF-8: bytes that are UTF-8 arrive unchanged.
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def call_id_header(value: object) -> tuple[bytes, bytes]:
    return CALL_ID, str(value).encode()
