"""Clients that are slow: heads, bodies and readers have deadlines, and hold little memory meanwhile."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import aiohttp

from ingest.proxy.bounds import Limits
from ingest.proxy.protocol import Patience
from ingest.proxy.serving import Serving
from tests.ingest.failures.raw_upstream import EVENTS, chunk, raw_upstream
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.raw_http import chat, connected, read_all, read_status, request
from tests.ingest.running_proxy import calls_in, running_proxy, until
from tests.ingest.upstream import Provider

READERS = 30
BLOCK = b"data: " + b"x" * 16_000 + b"\n\n"


async def test_readers_that_do_not_read_hold_little_memory_and_are_cut_off(tmp_path: Path) -> None:
    sent = 0

    async def pour(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(EVENTS)
        while True:
            writer.write(chunk(BLOCK))
            await writer.drain()
            sent += len(BLOCK)

    serving = "Serving(patience=Patience(write_seconds=2.0))"
    async with (
        raw_upstream(pour) as upstream,
        killable_proxy(tmp_path, upstream, serving=serving) as (url, process),
        aiohttp.ClientSession() as http,
    ):
        before = resident_bytes(process.pid)
        readers = [slow_reader(url) for _ in range(READERS)]
        await settled(lambda: sent)
        assert sent > READERS * len(BLOCK)
        # What the sockets hold, and no more: nothing is read from a provider that nobody takes.
        assert sent < READERS * (10 << 20)
        # 16 MB for what a proxy takes once it works at all, and half a MB a reader.
        assert resident_bytes(process.pid) - before < (16 << 20) + READERS * (1 << 19)
        await until_metric(http, url, f'llm_gateway_refusals_total{{kind="http_stalled_reader"}} {READERS}.0')
        await until_metric(http, url, "llm_gateway_in_flight 0.0")
        for reader in readers:
            reader.close()
    ends = [call.end for call in calls_in(tmp_path / "spool").values()]
    assert len(ends) == READERS
    assert {end.status for end in ends if end} == {"client_gone"}


async def test_a_head_that_trickles_has_a_deadline(tmp_path: Path, provider: Provider) -> None:
    serving = Serving(patience=Patience(head_seconds=0.4))
    async with running_proxy(tmp_path, provider.url, serving=serving) as proxy:
        async with connected(proxy.url) as (reader, writer):
            assert await trickle(reader, writer, b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 1000) == b""
        async with connected(proxy.url) as (reader, writer):
            assert (await trickle(reader, writer, b"\r\n" * 1000)).startswith(b"HTTP/1.1 400 ")
        # A kept connection has it, too.
        async with connected(proxy.url) as (reader, writer):
            writer.write(request(line=b"GET /healthz HTTP/1.1"))
            await reader.readuntil(b"}")
            assert await trickle(reader, writer, b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 1000) == b""
        assert proxy.gate.wire.requests["slow_head"] >= 2


async def test_a_body_that_trickles_has_a_deadline(tmp_path: Path, provider: Provider) -> None:
    limits = Limits(body_idle_seconds=0.4)
    async with running_proxy(tmp_path, provider.url, limits=limits) as proxy:
        head = request(b"content-length: 100000")
        async with connected(proxy.url) as (reader, writer):
            writer.write(head)
            assert (await trickle(reader, writer, b"x" * 1000)).startswith(b"HTTP/1.1 408 ")
    assert provider.bodies == []


async def test_the_rest_of_a_refused_body_has_a_deadline(tmp_path: Path, provider: Provider) -> None:
    serving = Serving(patience=Patience(head_seconds=0.4))
    async with running_proxy(tmp_path, provider.url, serving=serving) as proxy:
        data = request(b"content-length: 100000", line=b"POST /nowhere HTTP/1.1")
        async with connected(proxy.url) as (reader, writer):
            writer.write(data)
            assert await read_status(reader) == 404
            assert b"HTTP/1.1" not in await trickle(reader, writer, b"x" * 1000)


async def test_a_body_too_large_is_answered_although_all_of_it_is_sent_first(
    tmp_path: Path, provider: Provider
) -> None:
    async with running_proxy(tmp_path, provider.url, limits=Limits(body_bytes=1 << 20)) as proxy:
        for line in (b"content-length: %d" % (20 << 20), b"transfer-encoding: chunked"):
            async with connected(proxy.url) as (reader, writer):
                writer.write(request(line))
                part = bytes(1 << 20)
                for _ in range(20):
                    writer.write(part if b"length" in line else chunk(part))
                    await writer.drain()
                if b"chunked" in line:
                    writer.write(b"0\r\n\r\n")
                assert (await asyncio.wait_for(read_all(reader), 30)).startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_expects_100_gets_it_unless_its_body_is_too_large(
    tmp_path: Path, provider: Provider
) -> None:
    body = body_of("ok")
    async with running_proxy(tmp_path, provider.url, limits=Limits(body_bytes=1000)) as proxy:
        async with connected(proxy.url) as (reader, writer):
            writer.write(request(b"content-length: %d" % len(body), b"expect: 100-continue"))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(body)
            assert await read_status(reader) == 200
        async with connected(proxy.url) as (reader, writer):
            writer.write(request(b"content-length: 2000", b"expect: 100-continue"))
            assert await read_status(reader) == 413
        async with connected(proxy.url) as (reader, writer):
            writer.write(request(b"content-length: 20", b"expect: wonders"))
            assert await read_status(reader) == 417


async def test_http_1_0_is_served_and_closed(tmp_path: Path, provider: Provider) -> None:
    body = body_of("ok")
    line = f"POST {CHAT} HTTP/1.0".encode()
    async with running_proxy(tmp_path, provider.url) as proxy, connected(proxy.url) as (reader, writer):
        writer.write(
            request(b"content-length: %d" % len(body), b"expect: 100-continue", line=line, body=body)
        )
        answer = await asyncio.wait_for(read_all(reader), 30)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert provider.bodies == [body]


async def test_a_half_closed_connection_counts_as_closed(tmp_path: Path, provider: Provider) -> None:
    async with running_proxy(tmp_path, provider.url, limits=Limits(drain_seconds=0.1)) as proxy:
        async with connected(proxy.url) as (_, writer):
            writer.write(chat("hang"))
            await until(lambda: len(provider.bodies) == 1)
            writer.write_eof()
            await until(lambda: proxy.only_call().end is not None)
        end = proxy.only_call().end
        assert end is not None
        assert end.status == "client_gone"


async def test_a_client_that_leaves_at_its_last_byte_has_a_whole_call(
    tmp_path: Path, provider: Provider
) -> None:
    async with running_proxy(tmp_path, provider.url) as proxy:
        async with connected(proxy.url) as (reader, writer):
            writer.write(chat("s", stream=True))
            await reader.readuntil(b"data: [DONE]\n\n")
        end = proxy.only_call().end
        assert end is not None
        assert end.status == "ok"


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    """Send `data` a byte every 20 ms until the server has said its last, in 30 s at most; what it said."""
    async with asyncio.timeout(30):
        return await _trickle(reader, writer, data)


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    said = asyncio.ensure_future(read_all(reader))
    for byte in data:
        try:
            writer.write(bytes([byte]))
            await writer.drain()
        except OSError:
            break
        done, _ = await asyncio.wait((said,), timeout=0.02)
        if done:
            break
    return await said


def slow_reader(url: str) -> socket.socket:
    """A client that asks for a stream and takes one byte of it."""
    host, port = url.removeprefix("http://").split(":")
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.connect((host, int(port)))
    opened.sendall(chat("s", stream=True))
    opened.setblocking(False)
    return opened


async def settled(amount: Callable[[], int]) -> None:
    """Wait until `amount` is above nothing and no longer grows."""
    last = 0
    async with asyncio.timeout(60):
        while amount() == 0 or amount() != last:
            last = amount()
            await asyncio.sleep(0.5)


async def until_metric(http: aiohttp.ClientSession, url: str, line: str) -> None:
    async with asyncio.timeout(60):
        while True:
            async with http.get(f"{url}/metrics") as response:
                if line in await response.text():
                    return
            await asyncio.sleep(0.1)


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096
