"""What the provider attempts of a call used, and what a failed one says of it."""

import asyncio
import logging
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec

from ingest.providers.base import Provider, Reading
from ingest.proxy.ports import Target

logger = logging.getLogger(__name__)

_LONGEST = 64 << 10
_PATIENCE_SECONDS = 1.0
"""The next target waits for it. Errors are small and come with their head; for others nobody waits."""
_NOT_KEPT = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, TypeError)


class Used(msgspec.Struct, frozen=True):
    """What one attempt used, by its own word; `cost_usd` is None where nobody can price it."""

    target: Target
    reading: Reading
    cost_usd: Decimal | None = None


async def usage_of_failed(response: aiohttp.ClientResponse, *, provider: Provider) -> dict[str, Any] | None:
    """The usage that a failed answer states, as the spool can hold it; the answer is done with.

    A provider that bills what it then failed to deliver says so here or nowhere. Its connection is kept
    where the whole answer is here, and closed where not.
    """
    try:
        body = await _body(response)
    except BaseException:
        response.close()
        raise
    response.release()
    if b"sage" not in body and not body.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return None
    try:
        return _kept(provider.read_usage(head=body, tail=body).usage)
    except Exception:
        # There is another target to ask: no body of a failure may keep the call from it.
        logger.exception("the usage of a failed attempt could not be read")
        return None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """All of it, or nothing of one that is long, slow or breaks off."""
    body = b""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while len(body) <= _LONGEST and (chunk := await response.content.readany()):
                body += chunk
    except (aiohttp.ClientError, OSError, TimeoutError):
        return b""
    return body if len(body) <= _LONGEST else b""


def _kept(usage: dict[str, Any] | None) -> dict[str, Any] | None:
    """As it comes back from the spool, so that it is priced as the warehouse will; None for what cannot be
    written there (numbers past 64 bits, half characters)."""
    if usage is None:
        return None
    try:
        plain = msgspec.json.decode(msgspec.json.encode(usage))
        return msgspec.msgpack.decode(msgspec.msgpack.encode(plain))
    except _NOT_KEPT:
        return None
