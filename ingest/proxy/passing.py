"""What is forwarded without a record: lists of models, counts of tokens and the like."""

import time

import aiohttp

from ingest.providers.base import Provider
from ingest.proxy.http import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    call_id_header,
    forwarded_request_headers,
    forwarded_response_headers,
    raw_path,
    send_bytes,
)
from ingest.proxy.listing import listing
from ingest.proxy.ports import Caller, Refusal
from ingest.proxy.refusing import body_refusal, refuse, take_body
from ingest.proxy.works import Works
from ingest.uuid7 import uuid7


async def pass_through(
    scope: Scope, receive: Receive, send: Send, *, works: Works, provider: Provider
) -> None:
    """Forward without a record: lists of models, counts of tokens and the like."""
    began = time.perf_counter()
    status = 502
    call_header = call_id_header(uuid7())
    caller = works.ports.doors.identify(scope, provider=provider)
    try:
        if isinstance(caller, Refusal) or not caller.forwards_key:
            status = await _listed(scope, send, works=works, provider=provider, caller=caller)
            return
        with works.gate.inside() as holding:
            asked, refused = await take_body(scope, receive, limits=works.limits, holding=holding)
        if refused is not None:
            status = refused
            await refuse(send, body_refusal(status, limits=works.limits), provider=provider)
            return
        async with await works.upstream.send(
            scope["method"],
            _upstream_url(provider, scope),
            headers=forwarded_request_headers(scope["headers"]),
            body=asked or None,
        ) as response:
            body = await response.read()
            status = response.status
            headers = forwarded_response_headers(response.raw_headers, keeps_length=True)
            head = {"type": "http.response.start", "status": status, "headers": [*headers, call_header]}
        await send(head)
        await send({"type": "http.response.body", "body": body})
    except ClientGoneError:
        status = 499
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        status = 504 if isinstance(error, TimeoutError) else 502
        message = f"the provider could not be reached: {type(error).__name__}"
        await refuse(send, Refusal(status, "upstream_error", message), provider=provider)
    finally:
        works.metrics.answered("models", status=status, seconds=time.perf_counter() - began)


async def _listed(
    scope: Scope, send: Send, *, works: Works, provider: Provider, caller: Caller | Refusal
) -> int:
    """The models that a key of ours may use; a key of ours never goes to a provider."""
    if isinstance(caller, Refusal):
        works.metrics.refused(caller.kind)
        return await refuse(send, caller, provider=provider)
    names = works.ports.router.models(caller=caller, provider=provider) or ()
    page = listing(names, wire=provider.wire, path=scope["path"]) if scope["method"] == "GET" else None
    if page is None:
        message = f"there is no {scope['path'][:200]} for a key of this proxy"
        return await refuse(send, Refusal(404, "not_found", message), provider=provider)
    mark = (call_id_header(uuid7()),)
    await send_bytes(send, page, status=200, content_type=b"application/json", headers=mark)
    return 200


def _upstream_url(provider: Provider, scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    url = provider.base_url + provider.upstream_path(raw_path(scope))
    return f"{url}?{query}" if query else url
