"""Saying no: in the shape the client's library reads, also to bodies that are too large or do not come."""

import msgspec

from ingest.providers.base import Provider
from ingest.proxy.bounds import Limits
from ingest.proxy.departure import EXTENSION
from ingest.proxy.gate import Holding, TooMuchHeldError
from ingest.proxy.http import (
    BodyTooLargeError,
    Receive,
    Scope,
    Send,
    call_id_header,
    error_body,
    read_body,
    send_bytes,
)
from ingest.proxy.ports import Refusal
from ingest.uuid7 import uuid7


async def refuse(
    send: Send,
    refusal: Refusal,
    *,
    provider: Provider | None = None,
    mark: tuple[bytes, bytes] | None = None,
    unread: Receive | None = None,
) -> int:
    """Say no in the shape the client's library reads; the status said."""
    body = (
        msgspec.json.encode(error_body(refusal.message, kind=refusal.kind))
        if provider is None
        else provider.error_body(refusal.message, kind=refusal.kind, status=refusal.status)
    )
    headers = (mark or call_id_header(uuid7()), *refusal.headers)
    kind = b"application/json"
    await send_bytes(send, body, status=refusal.status, content_type=kind, headers=headers, unread=unread)
    return refusal.status


async def take_body(
    scope: Scope, receive: Receive, *, limits: Limits, holding: Holding
) -> tuple[bytes, int | None]:
    """The body, or none of it and the status to refuse it with."""
    try:
        body = await read_body(
            receive,
            headers=scope["headers"],
            limit=limits.body_bytes,
            idle_seconds=limits.body_idle_seconds,
            take=holding.take,
            has_come=scope["extensions"][EXTENSION].has_sent_all,
        )
    except (BodyTooLargeError, TooMuchHeldError) as error:
        holding.is_unread = not error.is_read
        return b"", 503 if isinstance(error, TooMuchHeldError) else 413
    except TimeoutError:
        return b"", 408
    return body, None


def body_refusal(status: int, *, limits: Limits) -> Refusal:
    """What to say with the status of `take_body`."""
    close = ((b"connection", b"close"),)
    if status == 413:
        message = f"the request is larger than {limits.body_bytes} bytes"
        return Refusal(413, "request_too_large", message, close)
    if status == 503:
        message = "the bodies of running calls fill the memory they may take"
        return Refusal(503, "overloaded", message, (*close, (b"retry-after", b"1")))
    return Refusal(408, "request_timeout", "the request body stopped coming", close)
