"""Providers that refuse, hang, break off anywhere or talk nonsense.

Whatever they do, the client is never left to take half an answer for a whole one, the call is a row with the
bytes that came, and the proxy goes on.
"""

import asyncio
import gzip
import socket
from pathlib import Path

import aiohttp
import pytest

from ingest.spool.records import End
from tests.ingest.failures.raw_upstream import EVENTS, JSON, chunk, raw_upstream, reset, saying
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.raw_http import chat, connected, read_all, said_to
from tests.ingest.running_proxy import Proxy, running_proxy, until
from tests.ingest.upstream import document, frames
from tests.local_servers import free_port

STREAM = frames("s", with_usage=True)
DOCUMENT = document("ok")
LAST = b"0\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

HALF_RUNE = "data: 안".encode()[:-1]
INSIDE_THE_BODY = {
    "a reset inside a chunk": (EVENTS + b"400\r\n" + STREAM[0][:20], "reset", STREAM[0][:20]),
    "a reset inside a rune": (EVENTS + chunk(HALF_RUNE), "reset", HALF_RUNE),
    "a reset inside an event": (EVENTS + chunk(STREAM[0] + b"data: {"), "reset", STREAM[0] + b"data: {"),
    "a close without the last chunk": (EVENTS + chunk(STREAM[0]), "close", STREAM[0]),
    "a length too long": (PLAIN + b"content-length: 9999\r\n\r\n" + DOCUMENT, "close", DOCUMENT),
}

BEFORE_THE_HEAD = {
    "a reset inside the head": saying(b"HTTP/1.1 200 OK\r\ncontent-ty", ending="reset"),
    "a close inside the head": saying(b"HTTP/1.1 200 OK\r\ncontent-ty"),
    "nothing at all": saying(b""),
    "another protocol": saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "NUL in a header": saying(b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\n{}"),
    "two lengths": saying(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}"),
    "a chunk size that is none at once": saying(EVENTS + chunk(STREAM[0]) + b"zz\r\n"),
    "more than its length": saying(PLAIN + b"content-length: 2\r\n\r\n{}" + DOCUMENT),
    "a length among the trailers": saying(JSON + b"2\r\n{}\r\n0\r\ncontent-length: 5\r\n\r\n"),
    "a header of 100 KB": saying(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n"),
}


@pytest.mark.parametrize("name", BEFORE_THE_HEAD)
async def test_an_answer_that_is_none_is_a_502(tmp_path: Path, name: str) -> None:
    async with raw_upstream(BEFORE_THE_HEAD[name]) as url, running_proxy(tmp_path, url) as proxy:
        answer = await said_to(proxy.url, chat("ok", b"connection: close"))
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert b"upstream_error" in answer
        assert told(proxy) == ("error", 502, "upstream_error")


@pytest.mark.parametrize("name", INSIDE_THE_BODY)
async def test_an_answer_that_breaks_off_is_never_closed_properly(tmp_path: Path, name: str) -> None:
    data, ending, came = INSIDE_THE_BODY[name]
    async with raw_upstream(saying(data, ending=ending)) as url, running_proxy(tmp_path, url) as proxy:
        answer = await said_to(proxy.url, chat("s", stream=True))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert not answer.endswith(LAST)
        assert told(proxy) == ("error", 200, "upstream_error")
        assert proxy.only_call().response == came


async def test_nonsense_inside_a_stream_breaks_it_off(tmp_path: Path) -> None:
    passed = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(EVENTS + chunk(STREAM[0]))
        await passed.wait()
        writer.write(b"zz\r\n")
        await asyncio.Event().wait()

    async with (
        raw_upstream(answer) as url,
        running_proxy(tmp_path, url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        writer.write(chat("s", stream=True))
        await reader.readuntil(STREAM[0])
        passed.set()
        assert not (await asyncio.wait_for(read_all(reader), 30)).endswith(LAST)
        assert told(proxy) == ("error", 200, "upstream_error")


async def test_a_hang_after_the_first_event_ends_when_patience_does(tmp_path: Path) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(EVENTS + chunk(STREAM[0]))
        await asyncio.Event().wait()

    async with raw_upstream(answer) as url, running_proxy(tmp_path, url, read_seconds=0.3) as proxy:
        said = await said_to(proxy.url, chat("s", stream=True))
        assert STREAM[0] in said
        assert not said.endswith(LAST)
        assert told(proxy) == ("error", 200, "upstream_timeout")
        assert proxy.only_call().response == STREAM[0]


async def test_a_provider_that_takes_no_connection_is_a_504(tmp_path: Path) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        async with running_proxy(tmp_path, url, connect_seconds=1.0) as proxy:
            answer = await said_to(proxy.url, chat("ok", b"connection: close"))
            assert answer.startswith(b"HTTP/1.1 504 ")
            assert told(proxy) == ("error", 504, "upstream_timeout")
        for filler in fillers:
            filler.close()


async def test_a_refused_connection_is_a_502(tmp_path: Path) -> None:
    async with running_proxy(tmp_path, f"http://127.0.0.1:{free_port()}") as proxy:
        answer = await said_to(proxy.url, chat("ok", b"connection: close"))
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert told(proxy) == ("error", 502, "upstream_error")


async def test_a_stream_that_never_says_done_ends_as_it_came(tmp_path: Path) -> None:
    data = EVENTS + b"".join(map(chunk, STREAM[:-1])) + LAST
    async with raw_upstream(saying(data)) as url, running_proxy(tmp_path, url) as proxy:
        answer = await said_to(proxy.url, chat("s", b"connection: close", stream=True))
        assert answer.endswith(LAST)
        assert b"[DONE]" not in answer
        assert told(proxy) == ("ok", 200, None)


async def test_an_error_event_inside_a_stream_passes(tmp_path: Path) -> None:
    event = b'data: {"error": {"message": "overloaded", "code": 503}}\n\n'
    data = EVENTS + chunk(STREAM[0]) + chunk(event) + LAST
    async with raw_upstream(saying(data)) as url, running_proxy(tmp_path, url) as proxy:
        assert event in await said_to(proxy.url, chat("s", b"connection: close", stream=True))
        assert proxy.only_call().response == STREAM[0] + event


HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
PASSED = {
    "chunks of one byte": (JSON + b"".join(chunk(bytes([byte])) for byte in DOCUMENT) + LAST, DOCUMENT),
    "trailers": (JSON + chunk(DOCUMENT) + b"0\r\nx-checksum: 1\r\n\r\n", DOCUMENT),
    "a close for an end": (PLAIN + b"\r\n" + DOCUMENT, DOCUMENT),
    "early hints first": (
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        + JSON
        + chunk(DOCUMENT)
        + LAST,
        DOCUMENT,
    ),
    "gzip": (
        PLAIN + b"content-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(DOCUMENT, mtime=0),
        gzip.compress(DOCUMENT, mtime=0),
    ),
    "br, or what claims to be": (PLAIN + b"content-encoding: br\r\n\r\n\x8b\x02\x80", b"\x8b\x02\x80"),
    "no JSON": (PLAIN + b"content-length: 8\r\n\r\n\xff\xfe\0nope\n", b"\xff\xfe\0nope\n"),
    "an empty answer": (PLAIN + b"content-length: 0\r\n\r\n", b""),
}


@pytest.mark.parametrize("name", PASSED)
async def test_odd_but_whole_answers_pass_byte_for_byte(
    tmp_path: Path, http: aiohttp.ClientSession, name: str
) -> None:
    data, body = PASSED[name]
    async with raw_upstream(saying(data)) as url, running_proxy(tmp_path, url) as proxy:
        async with http.post(proxy.url + CHAT, data=body_of("ok")) as response:
            assert response.status == 200
            assert await response.read() == body
            assert "x-checksum" not in response.headers
        assert told(proxy) == ("ok", 200, None)
        assert proxy.only_call().response == body


async def test_one_chunk_of_50_mb_passes_whole(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    block = bytes(range(256)) * 4096

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(JSON + b"%x\r\n" % (50 * len(block)))
        for _ in range(50):
            writer.write(block)
            await writer.drain()
        writer.write(b"\r\n" + LAST)
        writer.close()

    async with raw_upstream(answer) as url, running_proxy(tmp_path, url) as proxy:
        async with http.post(proxy.url + CHAT, data=body_of("ok")) as response:
            got = await response.read()
        assert got == block * 50
        assert proxy.only_call().response == got


async def test_a_kept_connection_that_closes_under_a_call_is_an_error_and_no_hang(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    answered = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        answered += 1
        if answered == 2:
            await reset(writer)
            return
        writer.write(PLAIN + b"content-length: %d\r\n\r\n" % len(DOCUMENT) + DOCUMENT)
        await writer.drain()

    async with raw_upstream(answer) as url, running_proxy(tmp_path, url) as proxy:
        statuses: list[int] = []
        for _ in range(3):
            async with http.post(proxy.url + CHAT, data=body_of("ok")) as response:
                statuses.append(response.status)
                await response.read()
        assert statuses == [200, 502, 200]
        assert answered == 3
        assert [call.end.status for call in proxy.calls().values() if call.end] == ["ok", "error", "ok"]


async def test_both_legs_send_small_frames_at_once(tmp_path: Path) -> None:
    seen: list[int] = []

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(EVENTS + chunk(STREAM[0]))
        await until(lambda: bool(seen))
        writer.write(LAST)
        writer.close()

    async with (
        raw_upstream(answer) as url,
        running_proxy(tmp_path, url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        writer.write(chat("s", b"connection: close", stream=True))
        await reader.readuntil(STREAM[0])
        seen += nodelay_of_this_loop()
        await read_all(reader)
    assert len(seen) == 4
    assert all(seen)


def nodelay_of_this_loop() -> list[int]:
    """TCP_NODELAY of every connection that the running loop holds."""
    found: list[int] = []
    for transport in list(asyncio.get_running_loop()._transports.values()):  # type: ignore[attr-defined]
        opened = transport.get_extra_info("socket")
        if opened.type == socket.SOCK_STREAM:
            found.append(opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    return found


def told(proxy: Proxy) -> tuple[str, int | None, str | None]:
    end = proxy.only_call().end
    assert isinstance(end, End)
    return end.status, end.http_status, end.error_type
