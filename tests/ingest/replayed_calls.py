"""Sending recorded exchanges through a proxy, and what their rows must say."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import psycopg
from psycopg.rows import TupleRow, dict_row

from ingest.landing.content import decompress
from tests.ingest.proxy_calls import KEY
from tests.ingest.recorded import Recorded
from tests.ingest.replay import CHUNK, REPLAY

Style = Literal["plain", "stream", "array"]


@dataclass(frozen=True)
class Played:
    """An exchange that was sent through the proxy, and what the client got."""

    exchange: Recorded
    style: Style
    call_id: str
    request: bytes
    status: int
    body: bytes

    @property
    def expected_body(self) -> bytes:
        """What the provider sends to a client that did not ask for usage."""
        if self.style == "plain":
            return self.exchange.response
        shown = self.exchange.frames(is_array=self.style == "array")
        if "choices" in self.exchange.document:
            shown = [frame for frame in shown if b'"choices": []' not in frame]
        return b"".join(shown)


async def play(
    http: aiohttp.ClientSession, url: str, exchange: Recorded, *, style: Style = "plain", chunk: int = 0
) -> Played:
    """Send it as its provider's clients do."""
    path = exchange.path
    request = {name: value for name, value in exchange.request.items() if name != "stream"}
    if style != "plain" and exchange.wire != "gemini":
        request["stream"] = True
    elif style != "plain":
        path = path.replace(":generateContent", ":streamGenerateContent")
        path += "?alt=sse" if style == "stream" else ""
    body = json.dumps(request, ensure_ascii=False).encode()
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json", REPLAY: exchange.name}
    headers |= {CHUNK: str(chunk)} if chunk else {}
    async with http.post(f"{url}{path}", data=body, headers=headers) as response:
        got = await response.read()
        return Played(exchange, style, response.headers["x-lqo-call-id"], body, response.status, got)


async def play_all(
    http: aiohttp.ClientSession, url: str, exchanges: Iterable[Recorded], *, styles: Iterable[Style]
) -> list[Played]:
    """Every exchange in every style that it has, some at a time."""
    turns = asyncio.Semaphore(16)

    async def one(exchange: Recorded, style: Style) -> Played:
        async with turns:
            return await play(http, url, exchange, style=style)

    jobs = [
        one(exchange, style)
        for style in styles
        for exchange in exchanges
        if style == "plain" or (exchange.streams and (style == "stream" or exchange.wire == "gemini"))
    ]
    return await asyncio.gather(*jobs)


def rows_of(connection: psycopg.Connection[TupleRow]) -> dict[str, dict[str, Any]]:
    """Every landed call with its bodies, by id."""
    with connection.cursor(row_factory=dict_row) as cursor:
        query = "select * from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)"
        return {str(row["call_id"]): row for row in cursor.execute(query)}


def check_row(played: Played, row: dict[str, Any]) -> None:
    """Bodies are the bytes on the line, and what was read of them is what the document says."""
    exchange, document = played.exchange, played.exchange.document
    assert decompress(row["request"]) == played.request
    if played.style == "plain":
        assert decompress(row["response"]) == exchange.response
    assert row["http_status"] == exchange.status
    assert row["is_streamed"] == (played.style != "plain")
    if exchange.status >= 400:
        assert row["status"] == "error"
        assert (row["error_type"], row["error_message"]) == error_of(document)
        return
    assert row["status"] == ("error" if document.get("error") else "ok")
    usage = document.get("usage", document.get("usageMetadata")) or None
    said = row["served_model"], row["usage"], row["output_text"]
    model = document.get("model", document.get("modelVersion"))
    expected = model, usage, _OUTPUTS[exchange.wire](document)
    assert said == expected, f"{said} is not {expected}"


def error_of(document: dict[str, Any]) -> tuple[str, str]:
    error = document["error"]
    named = [error.get(name) for name in ("type", "status", "code") if isinstance(error.get(name), str)]
    return named[0] if named else f"http_{error['code']}", error["message"]


def _openai_text(document: dict[str, Any]) -> str | None:
    if "choices" in document:
        return "\n\n".join(_choice_text(choice["message"]) for choice in document["choices"])
    if "output" not in document:
        return None
    items = document["output"]
    parts = [part for item in items if item["type"] == "message" for part in item.get("content") or []]
    texts = [part.get("text") or part.get("refusal") for part in parts]
    said = "\n\n".join(filter(None, texts))
    calls = (f"{i['name']}({i.get('arguments') or i.get('input') or ''})" for i in items if i.get("name"))
    return said or "\n".join(calls)


def _choice_text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(part["text"] for part in content if "text" in part)
    functions = [call["function"] for call in message.get("tool_calls") or []]
    calls = "\n".join(f"{each['name']}({each.get('arguments', '')})" for each in functions)
    return content or message.get("refusal") or calls


def _anthropic_text(document: dict[str, Any]) -> str:
    texts = "".join(block["text"] for block in document["content"] if block["type"] == "text")
    calls = [block for block in document["content"] if block["type"] == "tool_use"]
    return texts or "\n".join(f"{call['name']}({_compact(call['input'])})" for call in calls)


def _gemini_text(document: dict[str, Any]) -> str | None:
    if "candidates" not in document:
        return "" if "promptFeedback" in document else None
    return "\n\n".join(_candidate_text(candidate) for candidate in document["candidates"])


def _candidate_text(candidate: dict[str, Any]) -> str:
    parts = (candidate.get("content") or {}).get("parts") or []
    texts = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return texts or "\n".join(f"{call['name']}({_compact(call.get('args') or {})})" for call in calls)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_OUTPUTS: dict[str, Callable[[dict[str, Any]], str | None]] = {
    "openai": _openai_text,
    "anthropic": _anthropic_text,
    "gemini": _gemini_text,
}
