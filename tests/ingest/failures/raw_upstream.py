"""A provider that is a bare socket: what it answers is bytes, and how it ends is up to the test."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = CHUNKED % b"text/event-stream"
JSON = CHUNKED % b"application/json"


@asynccontextmanager
async def raw_upstream(answer: Answer) -> AsyncIterator[str]:
    """Its URL. Each connection reads requests and lets `answer` write; the connection ends with it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    await _read_request(reader)
                    await answer(writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def saying(data: bytes, *, ending: str = "close") -> Answer:
    """Write `data`, then close, reset, or (`stay`) wait for the next request."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if ending == "reset":
            await reset(writer)
        elif ending == "close":
            writer.close()

    return answer


async def reset(writer: asyncio.StreamWriter) -> None:
    """Let what is written arrive, then end the connection with RST."""
    await asyncio.sleep(0.05)
    opened: socket.socket = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _read_request(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    await reader.readexactly(length)
