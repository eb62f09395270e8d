"""A real HTTP server that plays an OpenAI-compatible judge, with a ledger of what was asked of it.

`running_judge_endpoint()` serves inside a test's loop, `judge_endpoint_in_thread()` beside a test without
one, and `python -m tests.judge_endpoint --latency 0.5` as a process that prints its URL. What it answers is
`script` (the next replies, in order) and then `answer(request body)`; by itself it gives a verdict in the
form that the request's schema asks for, always the same for the same request.
"""

import argparse
import asyncio
import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

from aiohttp import web

REASON = "The answer was looked at by the simulated judge."


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `content` None is a verdict by the request's schema; `body` replaces the whole completion;
    `resets` closes the connection instead."""

    content: str | None = None
    status: int = 200
    finish_reason: str = "stop"
    refusal: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    model: str | None = None
    delay_s: float = 0
    resets: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: when it came (monotonic seconds), what it held, and what it was answered with."""

    at: float
    body: dict[str, Any]
    status: int
    authorization: str = ""


def error(status: int, *, message: str = "try later", headers: Mapping[str, str] | None = None) -> Reply:
    """A reply that is an error in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "server_error", "code": None}}).encode()
    return Reply(status=status, body=body, headers=headers or {})


def verdict(score: object = 4, *, reason: str = REASON) -> str:
    """The text of a verdict of the protocol of single answers."""
    return json.dumps({"reason": reason, "score": score}, ensure_ascii=False)


def every(number: int, reply: Reply) -> Callable[[dict[str, Any]], Reply]:
    """An `answer` that gives `reply` to every `number`-th request and verdicts to the others."""
    count = 0

    def answer(body: dict[str, Any]) -> Reply:
        nonlocal count
        count += 1
        return reply if count % number == 0 else Reply()

    return answer


@dataclass
class JudgeEndpoint:
    """The endpoint's behaviour and its ledger; `url` ends in /v1."""

    url: str = ""
    latency_s: float = 0
    answer: Callable[[dict[str, Any]], Reply] = lambda body: Reply()
    script: deque[Reply] = field(default_factory=deque[Reply])
    keeps_requests: bool = True
    ledger: list[Asked] = field(default_factory=list[Asked])
    requests: int = 0
    paid: int = 0
    """Completions that were made, whether or not the caller was still there to read them."""
    holds_after: int | None = None
    """Answers past so many paid ones wait until this is None again."""
    in_flight: int = 0
    most_in_flight: int = 0
    on_request: Callable[[dict[str, Any]], None] = lambda body: None

    @property
    def prompts(self) -> list[str]:
        """The user message of each request."""
        return [asked.body["messages"][-1]["content"] for asked in self.ledger]


@contextlib.asynccontextmanager
async def running_judge_endpoint(
    endpoint: JudgeEndpoint | None = None, *, port: int = 0
) -> AsyncIterator[JudgeEndpoint]:
    """Serve on a port of 127.0.0.1 (0: a free one) until the block ends."""
    endpoint = endpoint or JudgeEndpoint()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/chat/completions", partial(_complete, endpoint))
    app.router.add_get("/ledger", partial(_ledger, endpoint))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=1_024)
    await site.start()
    host, bound = runner.addresses[0][:2]
    endpoint.url = f"http://{host}:{bound}/v1"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def judge_endpoint_in_thread(endpoint: JudgeEndpoint | None = None) -> Iterator[JudgeEndpoint]:
    """The same from a thread of its own, for tests without a loop."""
    served, loop = endpoint or JudgeEndpoint(), asyncio.new_event_loop()
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with running_judge_endpoint(served):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(30), "the simulated judge did not start"
    try:
        yield served
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
        loop.close()


async def _ledger(endpoint: JudgeEndpoint, request: web.Request) -> web.Response:
    told = ("requests", "paid", "most_in_flight")
    return web.json_response({name: getattr(endpoint, name) for name in told})


async def _complete(endpoint: JudgeEndpoint, request: web.Request) -> web.StreamResponse:
    try:
        body = json.loads(await request.read())
    except ConnectionResetError:  # the caller was stopped while it was still asking
        return web.Response()
    endpoint.requests += 1
    endpoint.in_flight += 1
    endpoint.most_in_flight = max(endpoint.most_in_flight, endpoint.in_flight)
    try:
        endpoint.on_request(body)
        reply = endpoint.script.popleft() if endpoint.script else endpoint.answer(body)
        if endpoint.keeps_requests:
            key = request.headers.get("authorization", "")
            endpoint.ledger.append(Asked(time.monotonic(), body, reply.status, key))
        if reply.status == 200 and not reply.resets:
            endpoint.paid += 1
        number = endpoint.paid
        while endpoint.holds_after is not None and number > endpoint.holds_after:
            await asyncio.sleep(0.01)
        if wait := endpoint.latency_s + reply.delay_s:
            await asyncio.sleep(wait)
    finally:
        endpoint.in_flight -= 1
    if reply.resets:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    data = completion(body, reply) if reply.body is None else reply.body
    return web.Response(
        body=data, status=reply.status, headers=reply.headers, content_type="application/json"
    )


def completion(body: Mapping[str, Any], reply: Reply) -> bytes:
    """The chat completion of a reply, as an endpoint would write it."""
    content = _verdict_for(body) if reply.content is None and reply.refusal is None else reply.content
    message = {"role": "assistant", "content": content, "refusal": reply.refusal}
    asked = sum(len(message["content"]) for message in body["messages"]) // 4
    answered = len(content or "") // 4
    return json.dumps(
        {
            "id": f"chatcmpl-{_digest(body)[:8].hex()}",
            "object": "chat.completion",
            "created": 1_780_000_000,
            "model": reply.model or f"{body['model']}-2026-01-01",
            "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
            "usage": {
                "prompt_tokens": asked,
                "completion_tokens": answered,
                "total_tokens": asked + answered,
            },
        },
        ensure_ascii=False,
    ).encode()


def _verdict_for(body: Mapping[str, Any]) -> str:
    """A document by the request's schema: texts, and from each enum a choice that the request decides."""
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    properties = schema.get("properties") or {"reason": {}, "score": {"enum": [1, 2, 3, 4, 5]}}
    pick = _digest(body)[0]
    return json.dumps(
        {
            name: told["enum"][pick % len(told["enum"])] if "enum" in told else REASON
            for name, told in properties.items()
        }
    )


def _digest(body: Mapping[str, Any]) -> bytes:
    return sha256(json.dumps(body["messages"]).encode()).digest()


async def _serve(latency_s: float, port: int) -> None:
    endpoint = JudgeEndpoint(latency_s=latency_s, keeps_requests=False)
    async with running_judge_endpoint(endpoint, port=port):
        print(endpoint.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.5, help="seconds")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(given.latency, given.port))


if __name__ == "__main__":
    main()
