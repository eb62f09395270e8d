"""The proxy's own endpoints: health, readiness, metrics, and those that take something in."""

import time
from collections.abc import Awaitable, Callable

from ingest.proxy.http import Receive, Scope, Send, call_id_header, send_bytes, send_json
from ingest.proxy.metrics import CONTENT_TYPE
from ingest.proxy.ports import Caller, Refusal
from ingest.proxy.refusing import refuse
from ingest.proxy.works import Works
from ingest.uuid7 import uuid7

Page = Callable[[Scope, Receive, Send, Caller], Awaitable[int]]
"""One of our own endpoints that takes something in; gives the status it answered with."""


async def deliver(scope: Scope, receive: Receive, send: Send, *, works: Works, page: Page) -> None:
    """Answer on one of our own endpoints that takes something in."""
    began = time.perf_counter()
    status = 500
    try:
        caller = await _delivering(scope, works=works)
        if isinstance(caller, Refusal):
            status = await refuse(send, caller)
            works.metrics.refused(caller.kind)
        else:
            with works.gate.inside():
                status = await page(scope, receive, send, caller)
    finally:
        works.metrics.answered(scope["path"], status=status, seconds=time.perf_counter() - began)


async def show(path: str, send: Send, *, works: Works) -> None:
    """Health, readiness, metrics; for any other path a 404."""
    mark = (call_id_header(uuid7()),)
    if path == "/healthz":
        await send_json(send, {"status": "ok"}, status=200, headers=mark)
    elif path == "/readyz":
        problem = _problem(works)
        answer = {"status": problem or "ready"}
        await send_json(send, answer, status=503 if problem else 200, headers=mark)
    elif path == "/metrics":
        page = works.metrics.render(works.spool)
        await send_bytes(send, page, status=200, content_type=CONTENT_TYPE, headers=mark)
    else:
        await refuse(send, Refusal(404, "not_found", f"there is no {path} here"))
        works.metrics.answered("other", status=404, seconds=0.0)


async def _delivering(scope: Scope, *, works: Works) -> Caller | Refusal:
    """Who hands something in, or why nobody may now."""
    if (refusal := works.gate.refusal()) is not None:
        return refusal
    caller = works.ports.doors.identify(scope, provider=None)
    if isinstance(caller, Refusal):
        return caller
    return await works.ports.admission.admit_delivery(caller=caller) or caller


def _problem(works: Works) -> str | None:
    """Why a load balancer should send its calls elsewhere."""
    if works.gate.is_draining:
        return "the proxy is stopping"
    return None if works.spool.is_accepting else "the spool's disk is almost full"
