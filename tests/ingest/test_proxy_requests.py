"""Requests that are too large, too slow or ambiguous."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from ingest.proxy.bounds import Limits
from ingest.proxy.protocol import Patience
from ingest.proxy.serving import Serving
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.running_proxy import Proxy, running_proxy
from tests.ingest.upstream import Provider


async def test_a_body_past_the_limit_is_refused_while_it_is_read(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async with running_proxy(tmp_path, provider.url, limits=Limits(body_bytes=10_000)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rsplit(":", 1)[1]))
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        writer.write(head + b"4e20\r\n" + bytes(20_000))
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 413 ")
        writer.close()
        async with http.post(proxy.url + CHAT, data=body_of("ok", padding="x" * 20_000)) as response:
            assert response.status == 413
            assert (await response.json())["error"]["type"] == "request_too_large"
        async with http.post(proxy.url + CHAT, data=body_of("ok", padding="x" * 9_000)) as response:
            assert response.status == 200
            await response.read()
        ends = [call.end for call in proxy.calls().values()]
        assert [end.http_status for end in ends if end] == [413, 413, 200]
        assert len(provider.bodies) == 1


async def test_slow_heads_and_bodies_are_cut_off(tmp_path: Path, provider: Provider) -> None:
    limits = Limits(body_idle_seconds=0.2)
    serving = Serving(patience=Patience(head_seconds=0.2))
    async with running_proxy(tmp_path, provider.url, limits=limits, serving=serving) as proxy:
        port = int(proxy.url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\n")
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf".encode())
        assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 408 ")
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"content-length: 5\r\ncontent-length: 6",
        b"transfer-encoding: chunked, identity",
    ],
)
async def test_requests_that_two_parsers_could_read_differently_are_refused(
    proxy: Proxy, provider: Provider, head: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rsplit(":", 1)[1]))
    writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n".encode() + head + b"\r\n\r\n0\r\n\r\n")
    assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert provider.bodies == []
