"""A provider that repeats what it is told, in each dialect: plain, as an error, or as a stream of crumbs."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

CRUMB = 3
"""Characters a frame: no number and no address ever stands in one."""


@asynccontextmanager
async def running_echo() -> AsyncIterator[str]:
    """Its URL, until the block ends. A model named `refuse` answers 400; one named `big`, ten times over."""
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/chat/completions", _chat)
    app.router.add_post("/v1/messages", _message)
    app.router.add_post("/v1beta/models/{call}", _content)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site.name
    finally:
        await runner.cleanup()


async def _chat(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    text = _heard(asked, request)
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    head = {"id": "chatcmpl-1", "model": "m-2026"}
    if asked["model"] == "refuse":
        return _refused({"error": {"message": f"bad prompt: {text}", "type": "invalid_request_error"}})
    if not asked.get("stream"):
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({**head, "choices": [choice], "usage": usage})
    chunks = [[{"index": 0, "delta": {"content": crumb}, "finish_reason": None}] for crumb in _crumbs(text)]
    chunks += [[{"index": 0, "delta": {}, "finish_reason": "stop"}], []]
    frames = [{**head, "choices": chunk} | ({} if chunk else {"usage": usage}) for chunk in chunks]
    return await _stream(request, [f"data: {json.dumps(frame)}\n\n" for frame in frames], "data: [DONE]\n\n")


async def _message(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    text = _heard(asked, request)
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-2026"}
    if asked["model"] == "refuse":
        error = {"type": "invalid_request_error", "message": f"bad prompt: {text}"}
        return _refused({"type": "error", "error": error})
    if not asked.get("stream"):
        usage = {"input_tokens": 7, "output_tokens": 3}
        content = [{"type": "text", "text": crumb} for crumb in _crumbs(text)]
        return web.json_response({**message, "content": content, "stop_reason": "end_turn", "usage": usage})
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "content": [], "usage": {"input_tokens": 7}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    for crumb in _crumbs(text):
        delta = {"type": "text_delta", "text": crumb}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]
    return await _stream(
        request, [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events], ""
    )


async def _content(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    text = _heard(asked, request)
    model, _, method = request.match_info["call"].partition(":")
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}
    if model == "refuse":
        return _refused(
            {"error": {"code": 400, "message": f"bad prompt: {text}", "status": "INVALID_ARGUMENT"}}
        )
    parts = list(_crumbs(text))
    if method == "generateContent":
        return web.json_response(_candidate(parts, usage=usage))
    frames = [json.dumps(_candidate([part], usage=None)) for part in parts]
    frames.append(json.dumps(_candidate([], usage=usage)))
    if request.query.get("alt") == "sse":
        return await _stream(request, [f"data: {frame}\r\n\r\n" for frame in frames], "")
    return await _stream(request, [f"{',' if n else '['}{frame}" for n, frame in enumerate(frames)], "]")


def _candidate(texts: list[str], *, usage: dict[str, int] | None) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text} for text in texts]}
    candidate = {"content": content, "index": 0} | ({} if usage is None else {"finishReason": "STOP"})
    found = {"candidates": [candidate], "modelVersion": "m-2026", "responseId": "resp-1"}
    return found if usage is None else {**found, "usageMetadata": usage}


def _heard(asked: dict[str, Any], request: web.Request) -> str:
    """All that was said, and the keys it came with."""
    said = asked.get("messages") or asked.get("contents")
    keys = [request.headers.get(name, "") for name in ("authorization", "x-api-key", "x-goog-api-key")]
    text = f"{json.dumps(said, ensure_ascii=False)} key: {' '.join(keys)} {request.query.get('key', '')}"
    return text * (10 if asked.get("model") == "big" else 1)


def _crumbs(text: str) -> Iterator[str]:
    return (text[at : at + CRUMB] for at in range(0, len(text), CRUMB))


def _refused(body: dict[str, Any]) -> web.Response:
    return web.json_response(body, status=400)


async def _stream(request: web.Request, frames: list[str], last: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for frame in [*frames, last]:
        await response.write(frame.encode())
    return response
