"""The simulated provider: Chat Completions over HTTP, plain and streamed, for `lqo demo` only."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from aiohttp import web

from orchestration.demo.models import MODELS, Reply, reply
from orchestration.demo.tasks import Language, Prompt, task_of
from orchestration.demo.traffic import chat_completion, usage


@dataclass(frozen=True, slots=True)
class Provider:
    """Answers as the models of `orchestration.demo.models` do, `speed` times faster than they would.

    Replies depend on the seed and the request alone, so that a demo is the same twice.
    """

    seed: str = "live"
    speed: float = 20.0

    def app(self) -> web.Application:
        """The aiohttp application with `/v1/chat/completions` and `/v1/models`."""
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", _list_models)
        return app

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body: dict[str, Any] = await request.json()
        model = next((model for model in MODELS if model.name == body.get("model")), None)
        if model is None:
            error = {"message": f"no model {body.get('model')!r}", "type": "invalid_request_error"}
            return web.json_response({"error": {**error, "code": "model_not_found"}}, status=404)
        rng = Random(f"{self.seed}:{json.dumps(body, sort_keys=True)}")
        said = reply(model, _prompt(body, rng=rng), rng=rng)
        if body.get("stream") and said.http_status == 200:
            return await self._stream(request, body, model=model.name, said=said)
        await asyncio.sleep(said.latency_ms / 1000 / self.speed)
        answer = chat_completion(model.name, said, created=int(time.time()))
        headers = {"retry-after": "1"} if said.http_status == 429 else None
        return web.json_response(answer, status=said.http_status, headers=headers)

    async def _stream(
        self, request: web.Request, body: dict[str, Any], *, model: str, said: Reply
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.sleep(said.ttft_ms / 1000 / self.speed)
        words = said.text.split(" ")
        pause = (said.latency_ms - said.ttft_ms) / 1000 / self.speed / max(1, len(words))
        frame: dict[str, Any] = {"id": "chatcmpl-live", "object": "chat.completion.chunk", "model": model}
        frame["created"] = int(time.time())
        for number, word in enumerate(words):
            delta = {"content": word if number == 0 else f" {word}"}
            await _send(response, {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            await asyncio.sleep(pause)
        last = {"index": 0, "delta": {}, "finish_reason": said.finish_reason}
        await _send(response, {**frame, "choices": [last]})
        if (body.get("stream_options") or {}).get("include_usage"):
            await _send(response, {**frame, "choices": [], "usage": usage(said)})
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


@asynccontextmanager
async def serve(provider: Provider) -> AsyncIterator[str]:
    """Serve on a free port of 127.0.0.1; yields the base URL without a path."""
    runner = web.AppRunner(provider.app(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _list_models(_: web.Request) -> web.Response:
    models = [{"id": model.name, "object": "model", "owned_by": "demo"} for model in MODELS]
    return web.json_response({"object": "list", "data": models})


def _prompt(body: dict[str, Any], *, rng: Random) -> Prompt:
    """A prompt of the task that the system message names; its answer is a good one of that task."""
    texts = {message["role"]: str(message["content"]) for message in body.get("messages", [])}
    user = texts.get("user", "")
    language: Language = "ko" if any("가" <= letter <= "힣" for letter in user) else "en"
    return replace(task_of(texts.get("system", "")).ask(rng, language), user=user)


async def _send(response: web.StreamResponse, frame: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(frame, ensure_ascii=False).encode() + b"\n\n")
