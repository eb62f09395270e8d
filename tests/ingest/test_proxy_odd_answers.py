"""Answers as no provider should give them, in every dialect: bytes pass, rows land, ENDs come first."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import product
from typing import Any

import aiohttp
import psycopg
import pytest
import zstandard
from psycopg.rows import TupleRow

from ingest.landing.content import decompress
from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from tests.ingest.framing import event
from tests.ingest.proxy_calls import KEY
from tests.ingest.recorded import SMALL_BY_NAME, Recorded
from tests.ingest.replay import REPLAY, Scripted
from tests.ingest.replayed_calls import rows_of
from tests.ingest.running_proxy import Proxy, running_proxy
from tests.ingest.upstream import Provider

Connection = psycopg.Connection[TupleRow]
Landed = Callable[[], dict[str, dict[str, Any]]]
BOM = b"\xef\xbb\xbf"
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
DIALECTS = [SMALL_BY_NAME[name] for name in ("chat", "responses", "messages", "content")]
TEXTS = {"chat": "풍선입니다 🎈.", "responses": "안녕 🎈", "messages": "마흔둘 🎈.", "content": "풍선 🎈"}


@pytest.fixture
async def front(settings: Settings, provider: Provider) -> AsyncIterator[Proxy]:
    """A proxy whose spool `load` drains."""
    async with running_proxy(settings.home, provider.url) as proxy:
        yield proxy


@dataclass
class Asker:
    """Sends the request of a dialect, to be answered by a script."""

    http: aiohttp.ClientSession
    url: str
    provider: Provider

    def post(
        self, exchange: Recorded, script: Scripted, *, is_streamed: bool = True, query: str = "alt=sse"
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        path, body = exchange.path, {**exchange.request, "stream": is_streamed}
        if exchange.wire == "gemini":
            body = exchange.request
            path = path.replace(":generate", ":streamGenerate") + f"?{query}" if is_streamed else path
        self.provider.scripts["script"] = script
        headers = {"authorization": f"Bearer {KEY}", REPLAY: "script"}
        return self.http.post(f"{self.url}{path}", data=json.dumps(body).encode(), headers=headers)

    async def ask(self, exchange: Recorded, script: Scripted, *, is_streamed: bool = True) -> str:
        """The id of a call whose answer came as it was sent."""
        async with self.post(exchange, script, is_streamed=is_streamed) as response:
            assert await response.read() == b"".join(script.chunks)
            for name in ("content-type", "content-encoding"):
                assert response.headers.get(name) == script.headers.get(name)
            return response.headers["x-lqo-call-id"]


@pytest.fixture
def asker(front: Proxy, provider: Provider, http: aiohttp.ClientSession) -> Asker:
    return Asker(http, front.url, provider)


@pytest.fixture
def landed(load: Callable[..., LoaderResult], connection: Connection) -> Landed:
    """Load what the spool holds, and give the rows by call."""

    def rows() -> dict[str, dict[str, Any]]:
        found = (load(), rows_of(connection))[1]
        assert found
        return found

    return rows


async def test_a_packed_answer_passes_packed_and_is_read(asker: Asker, landed: Landed) -> None:
    packers = {"gzip": gzip.compress, "zstd": zstandard.compress, "deflate": zlib.compress}
    sent: dict[str, tuple[Recorded, bytes]] = {}
    for exchange, is_streamed, encoding in product(DIALECTS, (False, True), packers):
        packed = packers[encoding](b"".join(exchange.frames()) if is_streamed else exchange.response)
        headers = {**(SSE if is_streamed else JSON), "content-encoding": encoding}
        script = Scripted((packed[:20], packed[20:]), headers=headers)
        sent[await asker.ask(exchange, script, is_streamed=is_streamed)] = exchange, packed
    rows = landed()
    assert rows.keys() == sent.keys()
    for call_id, (exchange, packed) in sent.items():
        row = rows[call_id]
        assert decompress(row["response"]) == packed
        assert row["output_text"] == TEXTS[exchange.name]
        assert row["usage"] == exchange.document.get("usage", exchange.document.get("usageMetadata"))


async def test_an_answer_that_nobody_can_unpack_is_kept_and_marked(asker: Asker, landed: Landed) -> None:
    packed = b"\x0b\x02\x80hello\x03"
    script = Scripted((packed,), headers={**JSON, "content-encoding": "br"})
    sent = {await asker.ask(exchange, script, is_streamed=False) for exchange in DIALECTS}
    rows = landed()
    assert rows.keys() == sent
    for row in rows.values():
        assert decompress(row["response"]) == packed
        assert row["tags"] == {"lqo.unreadable": "no decoder for content-encoding br"}
        assert (row["status"], row["output_text"]) == ("ok", None)


async def test_a_wrong_type_and_a_byte_order_mark_change_nothing(asker: Asker, landed: Landed) -> None:
    sent: dict[str, Recorded] = {}
    types = (JSON, SSE, {"content-type": "text/html"})
    for exchange, headers, mark, is_streamed in product(DIALECTS, types, (b"", BOM), (False, True)):
        answer = exchange.frames(with_usage=False) if is_streamed else [exchange.response]
        script = Scripted(tuple(filter(None, [mark, *answer])), headers=headers)
        sent[await asker.ask(exchange, script, is_streamed=is_streamed)] = exchange
    rows = landed()
    assert rows.keys() == sent.keys()
    for call_id, exchange in sent.items():
        assert (rows[call_id]["status"], rows[call_id]["output_text"]) == ("ok", TEXTS[exchange.name])


async def test_a_stream_without_its_last_frame_is_a_call_like_any(asker: Asker, landed: Landed) -> None:
    sent: dict[str, Recorded] = {}
    for exchange in DIALECTS[:3]:
        frames = exchange.frames(with_usage=False)[:-1]
        sent[await asker.ask(exchange, Scripted(tuple(frames), headers=SSE))] = exchange
    rows = landed()
    for call_id, exchange in sent.items():
        assert (rows[call_id]["status"], rows[call_id]["output_text"]) == ("ok", TEXTS[exchange.name])


ERRORS = {
    "chat": (event({"error": {"type": "server_error", "message": "no 🎈"}}), "server_error"),
    "responses": (event({"type": "error", "code": "server_error", "message": "no 🎈"}), "server_error"),
    "messages": (
        event({"type": "error", "error": {"type": "overloaded_error", "message": "no 🎈"}}, name="error"),
        "overloaded_error",
    ),
    "content": (event({"error": {"code": 503, "status": "UNAVAILABLE", "message": "no 🎈"}}), "UNAVAILABLE"),
}


async def test_an_error_inside_a_good_stream_is_an_error(asker: Asker, landed: Landed) -> None:
    sent: dict[str, str] = {}
    for exchange in DIALECTS:
        error, kind = ERRORS[exchange.name]
        frames = (*exchange.frames(with_usage=False)[:-3], error)
        sent[await asker.ask(exchange, Scripted(frames, headers=SSE))] = kind
    rows = landed()
    for call_id, kind in sent.items():
        row = rows[call_id]
        assert (row["status"], row["http_status"]) == ("error", 200)
        assert (row["error_type"], row["error_message"]) == (kind, "no 🎈")


@pytest.mark.parametrize(
    ("exchange", "is_array"), [*((each, False) for each in DIALECTS), (DIALECTS[3], True)]
)
async def test_each_frame_comes_before_the_next_one_is_sent_and_the_last_one_after_end(
    asker: Asker, front: Proxy, exchange: Recorded, is_array: bool
) -> None:
    frames = exchange.frames(with_usage=False, is_array=is_array)
    turns: asyncio.Queue[None] = asyncio.Queue()
    script = Scripted(
        tuple(frames),
        headers=JSON if is_array else SSE,
        turn=lambda: asyncio.ensure_future(turns.get()),
    )
    turns.put_nowait(None)
    async with asker.post(exchange, script, query="" if is_array else "alt=sse") as response:
        got = b""
        for frame in frames:
            wanted = len(got) + len(frame)
            async with asyncio.timeout(30):
                while len(got) < wanted:
                    # The bracket that ends an array comes when the provider has ended.
                    got += await response.content.readany()
            # The provider goes on, or ends; a last frame is here before that, and END before the frame.
            if frame is frames[-1] and exchange.wire != "gemini":
                assert front.only_call().end is not None
            turns.put_nowait(None)
            if is_array and frame is frames[-2]:
                turns.put_nowait(None)
        assert got == b"".join(frames)


@pytest.mark.parametrize("exchange", DIALECTS[:3], ids=lambda each: each.name)
async def test_a_request_that_says_its_model_twice_goes_nowhere(
    front: Proxy, provider: Provider, http: aiohttp.ClientSession, exchange: Recorded
) -> None:
    body = json.dumps(exchange.request)[:-1] + ', "mod\\u0065l": "dear"}'
    async with http.post(f"{front.url}{exchange.path}", data=body.encode()) as response:
        assert response.status == 400
        assert "`model` twice" in await response.text()
    assert provider.bodies == []
    call = front.only_call()
    assert call.end is not None
    assert (call.end.status, call.end.error_type) == ("error", "invalid_request")


async def test_a_key_in_the_query_is_in_no_error(settings: Settings, http: aiohttp.ClientSession) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"NONSENSE\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, running_proxy(settings.home, f"http://127.0.0.1:{port}") as proxy:
        path = SMALL_BY_NAME["content"].path
        for ours in (path, path.replace(":generateContent", ":countTokens")):
            async with http.post(f"{proxy.url}{ours}?key={KEY}", data=b"{}") as response:
                assert response.status == 502
                assert KEY not in await response.text()
        call = proxy.only_call()
    assert call.end is not None
    assert call.end.error_message is not None
    assert "NONSENSE" in call.end.error_message or "Bad status" in call.end.error_message
    assert KEY not in call.end.error_message
