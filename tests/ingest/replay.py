"""What the simulated provider answers to a request that names an exchange (`x-replay`)."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.ingest.recorded import Recorded

REPLAY = "x-replay"
CHUNK = "x-replay-chunk"
"""Bytes a chunk; without it every frame is a chunk."""


@dataclass(frozen=True)
class Scripted:
    """An answer told byte by byte, for what no provider should send. `turn` is awaited before each chunk and
    before the end.
    """

    chunks: tuple[bytes, ...]
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    turn: Callable[[], asyncio.Future[object] | None] = lambda: None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=self.status, headers=self.headers)
        await response.prepare(request)
        for chunk in self.chunks:
            if (turn := self.turn()) is not None:
                await turn
            await response.write(chunk)
        if (turn := self.turn()) is not None:
            await turn
        return response


async def replay(request: web.Request, body: bytes, *, exchange: Recorded) -> web.StreamResponse:
    """The exchange's answer, plain or as a stream, as the request asks for it."""
    frames = _frames(request, body, exchange)
    if frames is None:
        return web.Response(body=exchange.response, status=exchange.status, content_type="application/json")
    is_array = frames[0].startswith(b"[")
    kind = "application/json; charset=UTF-8" if is_array else "text/event-stream; charset=utf-8"
    response = web.StreamResponse(headers={"content-type": kind})
    await response.prepare(request)
    size = int(request.headers.get(CHUNK, "0"))
    for frame in frames:
        for at in range(0, len(frame), size or len(frame)):
            await response.write(frame[at : at + (size or len(frame))])
            if size:
                await asyncio.sleep(0)
    return response


def _frames(request: web.Request, body: bytes, exchange: Recorded) -> list[bytes] | None:
    """The frames of a stream, None where the request asks for none or the answer is an error."""
    if not exchange.streams:
        return None
    if exchange.wire == "gemini":
        is_array = request.query.get("alt") != "sse"
        is_asked = "streamGenerateContent" in request.path
        return exchange.frames(is_array=is_array) if is_asked else None
    asked = json.loads(body)
    options = asked.get("stream_options") or {}
    is_asked = asked.get("stream") is True
    return exchange.frames(with_usage=options.get("include_usage") is True) if is_asked else None
