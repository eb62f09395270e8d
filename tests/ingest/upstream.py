"""A real HTTP server that plays all providers, told by the request how to behave.

For OpenAI's chat the behaviour is the requested model: `ok`, `stream-…`, `status-429`, `reset`, `hang` and
so on. A request of any dialect with an `x-replay` header gets the answer of that exchange. It keeps every
request it got and calls `on_request` before it answers, so that a test can look at the world at the moment
the provider is called.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from tests.ingest.recorded import SMALL_BY_NAME, Recorded
from tests.ingest.replay import REPLAY, Scripted, replay

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
ANSWER = "안녕하세요 🎈 (ok)"
WORDS = ["안녕", "하세요", " 🎈", " (ok)"]


@dataclass
class Provider:
    """What the provider saw. `url` is its base URL without /v1, `targets` the paths asked for with their
    queries, `exchanges` and `scripts` what it can replay.
    """

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    scripts: dict[str, Scripted] = field(default_factory=dict[str, Scripted])
    exchanges: dict[str, Recorded] = field(default_factory=lambda: dict(SMALL_BY_NAME))
    on_request: Callable[[bytes], None] = lambda body: None
    on_stream_closed: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    retry_after: str = "1"
    streamed: int = 0


@asynccontextmanager
async def running_provider() -> AsyncIterator[Provider]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    provider = Provider()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_get("/v1/models", partial(_models, provider))
    app.router.add_route("*", "/{path:.*}", partial(_any, provider))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    provider.url = f"http://127.0.0.1:{port}"
    try:
        yield provider
    finally:
        provider.release.set()
        await runner.cleanup()


def document(model: str, *, text: str = ANSWER) -> bytes:
    """The plain answer, with spacing no serialiser of ours would make."""
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            **_name(model),
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
            **_tier(model),
        },
        indent=1,
        ensure_ascii=False,
    ).encode()


def frames(model: str, *, with_usage: bool, words: list[str] = WORDS) -> list[bytes]:
    """The frames of the streamed answer, as OpenAI sends them."""
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in words]
    deltas.append(({}, "stop"))
    choices = [[{"index": 0, "delta": delta, "finish_reason": reason}] for delta, reason in deltas]
    chunks = [_chunk(model, choice, usage=None, with_usage=with_usage) for choice in choices]
    if with_usage:
        chunks.append(_chunk(model, [], usage=USAGE, with_usage=True))
    return [*chunks, b"data: [DONE]\n\n"]


def _name(model: str) -> dict[str, str]:
    """`unnamed` answers as transcriptions do, which say no model."""
    return {} if model == "unnamed" else {"model": f"{model}-2026"}


def _tier(model: str) -> dict[str, str]:
    """`flex` is answered at that service tier; other models say none."""
    return {"service_tier": model} if model == "flex" else {}


def _chunk(model: str, choices: list[Any], *, usage: Any, with_usage: bool) -> bytes:
    chunk: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": f"{model}-2026",
        **_tier(model),
        "choices": choices,
    }
    if with_usage:
        chunk["usage"] = usage
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


async def _any(provider: Provider, request: web.Request) -> web.StreamResponse:
    """Any other path: the exchange that the request names, else an echo of what was asked."""
    body = await _seen(provider, request)
    name = request.headers.get(REPLAY, "")
    if (script := provider.scripts.get(name)) is not None:
        return await script.answer(request)
    if (exchange := provider.exchanges.get(name)) is not None:
        return await replay(request, body, exchange=exchange)
    if request.path == "/v1/chat/completions":
        return await _chat(provider, request, body=body)
    return web.json_response({"path": request.path, "method": request.method, "body": body.decode()})


async def _seen(provider: Provider, request: web.Request) -> bytes:
    body = await request.read()
    provider.bodies.append(body)
    provider.headers.append(dict(request.headers))
    provider.targets.append(request.raw_path)
    provider.on_request(body)
    return body


async def _models(provider: Provider, request: web.Request) -> web.Response:
    provider.headers.append(dict(request.headers))
    return web.Response(
        body=b'{"object": "list",  "data": [{"id": "ok", "object": "model"}]}',
        content_type="application/json",
    )


async def _chat(provider: Provider, request: web.Request, *, body: bytes) -> web.StreamResponse:
    try:
        asked = json.loads(body)
    except ValueError:
        return _error(400, "invalid_request_error", "We could not parse the JSON body of your request.")
    model = str(asked.get("model"))
    if model.startswith(("status-", "billed-")):
        return await _failure(request, provider, model)
    if model == "reset":
        _transport(request).abort()
        return web.Response()
    if model == "hang":
        await provider.release.wait()
    if model == "head-only":
        return await _head_only(request, provider)
    if asked.get("stream"):
        return await _stream(request, provider, asked)
    return await _half(request) if model == "half" else _document(request, model)


async def _failure(request: web.Request, provider: Provider, model: str) -> web.StreamResponse:
    """`status-503` fails, `billed-503` says what it used, too; `billed-late-503` only when it is released."""
    status = int(model.rpartition("-")[2])
    if model.startswith("status-"):
        return _error(status, "some_error", "as you asked", retry_after=provider.retry_after)
    problem = {"message": "too late", "type": "server_error"}
    body = json.dumps({"error": problem, "model": f"{model}-2026", "usage": USAGE}).encode()
    response = web.StreamResponse(status=status, headers={"content-type": "application/json"})
    await response.prepare(request)
    if "late" in model:
        await provider.release.wait()
    await response.write(body)
    return response


def _document(request: web.Request, model: str) -> web.Response:
    headers = {
        "x-request-id": "req-1",
        "openai-processing-ms": "12",
        "x-ratelimit-remaining-requests": "9",
        "connection": "x-hop",
        "x-hop": "dropped",
        "set-cookie": "session=secret",
    }
    if model == "gzip":
        headers["content-encoding"] = "gzip"
        return web.Response(
            body=gzip.compress(document(model)), headers=headers, content_type="application/json"
        )
    if model == "echo-key":
        text = f"your key is {request.headers.get('authorization')}"
        return web.Response(body=document(model, text=text), headers=headers, content_type="application/json")
    text = "x" * 3_000_000 if model == "large" else ANSWER
    return web.Response(body=document(model, text=text), headers=headers, content_type="application/json")


async def _head_only(request: web.Request, provider: Provider) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(request)
    await provider.release.wait()
    return response


async def _half(request: web.Request) -> web.StreamResponse:
    body = document("half")
    response = web.StreamResponse(
        headers={"content-length": str(len(body)), "content-type": "application/json"}
    )
    await response.prepare(request)
    await response.write(body[:40])
    await asyncio.sleep(0.05)
    _transport(request).abort()
    return response


async def _stream(request: web.Request, provider: Provider, asked: dict[str, Any]) -> web.StreamResponse:
    model = asked["model"]
    with_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
    response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    words = [f"word{i} " for i in range(10_000)] if model == "stream-endless" else WORDS
    try:
        for number, frame in enumerate(frames(model, with_usage=with_usage, words=words)):
            if model == "stream-split":
                for byte in range(0, len(frame), 3):
                    await response.write(frame[byte : byte + 3])
                    await asyncio.sleep(0)
            else:
                await response.write(frame)
            provider.streamed += 1
            if model == "stream-reset" and number == 2:
                await asyncio.sleep(0.05)
                _transport(request).abort()
                return response
            if model == "stream-stall" and number == 2:
                await provider.release.wait()
            if model in ("stream-slow", "stream-endless"):
                await asyncio.sleep(0.02)
    except (ConnectionResetError, asyncio.CancelledError):
        provider.on_stream_closed.set()
        raise
    return response


def _error(status: int, kind: str, message: str, *, retry_after: str = "1") -> web.Response:
    body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}})
    headers = {"retry-after": retry_after} if status == 429 else {}
    return web.Response(status=status, text=body, content_type="application/json", headers=headers)


def _transport(request: web.Request) -> asyncio.Transport:
    assert isinstance(request.transport, asyncio.Transport)
    return request.transport
