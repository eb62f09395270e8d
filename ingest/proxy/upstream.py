"""The HTTP client towards providers."""

import asyncio
import io
from functools import lru_cache, partial

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import StreamReader
from yarl import URL

_NO_AUTOMATIC_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_LARGE = 256 << 10


class Upstream:
    """One connection pool, used from one event loop between `open` and `close`.

    Bodies are never decompressed, redirects never followed, cookies never kept. `connect_seconds`
    bounds the connection, `read_seconds` the silence before and between bytes (10 minutes, as the
    OpenAI SDK waits).
    """

    def __init__(self, *, connect_seconds: float = 10.0, read_seconds: float = 600.0) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=connect_seconds, sock_read=read_seconds
        )
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        # limit=0: the default cap of 100 connections makes call 101 wait for a stream to end.
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=30)
        connector._factory = partial[ResponseHandler](_Connection, loop=loop)  # pyright: ignore[reportPrivateUsage]
        self._session = aiohttp.ClientSession(
            connector=connector,
            # A client that does not read holds 0.4 MB here; with aiohttp's own 256 KB it was 1.7 MB.
            read_bufsize=16 << 10,
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NO_AUTOMATIC_HEADERS,
            max_line_size=32 << 10,
            max_field_size=32 << 10,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self, method: str, url: str, *, headers: list[tuple[str, str]], body: bytes | None = None
    ) -> aiohttp.ClientResponse:
        """The response, its body unread. Raises aiohttp.ClientError or TimeoutError."""
        if self._session is None:
            raise RuntimeError("the upstream client is not open")
        # A large body leaves in pieces: written at once it would hold up every other call, and be copied.
        data = io.BytesIO(body) if body is not None and len(body) > _LARGE else body
        return await self._session.request(
            method, _url(url), headers=headers, data=data, allow_redirects=False
        )


class _Connection(ResponseHandler):
    """aiohttp's connection, which forgets the body it was reading when that turns out to be malformed.

    Whoever reads it would wait for ever (seen with 3.14.5: a chunk size that is none).
    """

    def connection_lost(self, exc: BaseException | None) -> None:
        body = self._payload
        super().connection_lost(exc)
        if isinstance(body, StreamReader) and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError("the answer is malformed"))


@lru_cache(maxsize=256)
def _url(text: str) -> URL:
    return URL(text, encoded=True)
