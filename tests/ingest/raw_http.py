"""Bytes over a socket, as no HTTP library would send them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.ingest.proxy_calls import CHAT, body_of


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def said_to(url: str, data: bytes) -> bytes:
    """Everything the server says to `data` until it closes; fails after 30 s."""
    async with connected(url) as (reader, writer):
        writer.write(data)
        return await asyncio.wait_for(read_all(reader), 30)


async def status_of(url: str, data: bytes) -> int:
    """The status of the first answer to `data`; 0 where the connection ends without one."""
    async with connected(url) as (reader, writer):
        writer.write(data)
        return await read_status(reader)


async def read_status(reader: asyncio.StreamReader) -> int:
    try:
        line = await asyncio.wait_for(reader.readline(), 30)
    except ConnectionResetError:
        return 0
    return int(line.split(b" ")[1]) if line else 0


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """To the end, whether it is closed or reset."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while part := await reader.read(1 << 16):
            got += part
    return got


def request(*headers: bytes, body: bytes = b"", line: bytes = f"POST {CHAT} HTTP/1.1".encode()) -> bytes:
    """A request with these headers and no others but `host`."""
    return b"\r\n".join((line, b"host: x", *headers, b"", body))


def chat(model: str = "ok", *headers: bytes, **more: object) -> bytes:
    """A well-formed call."""
    body = body_of(model, **more)
    return request(b"content-length: %d" % len(body), *headers, body=body)
