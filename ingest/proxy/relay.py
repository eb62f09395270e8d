"""One recorded call: from the upstream's answer to the client's last byte."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

import aiohttp

from ingest.providers.base import Prepared, Provider, StreamFilter
from ingest.proxy.http import (
    CALL_ID,
    Message,
    Receive,
    Send,
    error_body,
    forwarded_response_headers,
    header,
    send_json,
)
from ingest.proxy.recorder import Outcome, Recorder, kept_headers
from ingest.proxy.upstream import Upstream
from ingest.spool.writer import SpoolRefusedError

logger = logging.getLogger(__name__)

_TAIL = 32
"""Bytes of the last chunk looked at again, so that a split end marker is found."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call may take. `drain_*` bound what is still read for a client that went away."""

    body_bytes: int = 32 << 20
    body_idle_seconds: float = 30.0
    part_seconds: float = 1.0
    part_bytes: int = 64 << 10
    plain_part_bytes: int = 4 << 20
    drain_seconds: float = 10.0
    drain_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Sending:
    """A request ready to go upstream."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    prepared: Prepared


class Relay:
    """Carries one answer back. After `run`, `outcome` says how it went.

    What the client takes for the end of the answer leaves only after END is committed: the last chunk
    of a plain body, the terminal frame of a stream, the closing of any other stream. A call that fails
    after its first byte ends without a proper close, so that no client takes it for complete.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        recorder: Recorder,
        limits: Limits,
        receive: Receive,
        send: Send,
        call_header: tuple[bytes, bytes],
    ) -> None:
        self._provider = provider
        self._recorder = recorder
        self._limits = limits
        self._receive = receive
        self._send = send
        self._call_header = call_header
        self._is_gone = False
        self._has_started = False
        self._status: int | None = None
        self._kept_headers: dict[str, str] = {}
        self.outcome = Outcome(status="error")

    async def run(self, upstream: Upstream, sending: Sending) -> None:
        """Send, relay, record. Raises only CancelledError (the proxy is stopping)."""
        watch = asyncio.ensure_future(self._receive())
        try:
            async with asyncio.timeout(None) as clock:
                watch.add_done_callback(lambda done: self._client_left(done, clock=clock))
                await self._exchange(upstream, sending)
        except SpoolRefusedError as error:
            await self._give_up(error)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await self._fail(error)
        except asyncio.CancelledError:
            self._finish_soon("proxy_stopped", "the proxy was stopped while the call was running")
            raise
        except Exception as error:
            logger.exception("a call failed inside the proxy")
            await self._fail(error)
        finally:
            watch.cancel()

    @property
    def http_status(self) -> int:
        """What the client was told; 499, as nginx says it, for one that left before any status."""
        return self._status or (499 if self._is_gone else 500)

    async def _exchange(self, upstream: Upstream, sending: Sending) -> None:
        response = await upstream.send(
            sending.method, sending.url, headers=sending.headers, body=sending.prepared.body
        )
        try:
            self._status = response.status
            self._kept_headers = kept_headers(response.raw_headers)
            is_stream = _is_stream(response, is_asked_for=sending.prepared.is_streamed)
            await self._send_head(response, is_stream=is_stream)
            if is_stream:
                await self._stream(response, hiding=self._filter(sending.prepared, response=response))
            else:
                await self._plain(response)
        except BaseException:
            response.close()
            raise
        response.release()

    async def _send_head(self, response: aiohttp.ClientResponse, *, is_stream: bool) -> None:
        headers = forwarded_response_headers(response.raw_headers, keeps_length=not is_stream)
        headers.append(self._call_header)
        self._has_started = True
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})

    async def _plain(self, response: aiohttp.ClientResponse) -> None:
        held = b""
        drained = 0
        while chunk := await response.content.readany():
            self._recorder.add(chunk)
            if self._is_gone and (drained := drained + len(chunk)) > self._limits.drain_bytes:
                break
            if held:
                await self._send_body(held)
            held = chunk
        await self._end()
        await self._send_body(held, more=False)

    async def _stream(self, response: aiohttp.ClientResponse, *, hiding: StreamFilter | None) -> None:
        tail = b"\n"
        drained = 0
        while chunk := await response.content.readany():
            self._recorder.add(chunk)
            if self._is_gone and (drained := drained + len(chunk)) > self._limits.drain_bytes:
                break
            tail += chunk
            if not self._recorder.is_ended and self._provider.is_terminal(tail):
                await self._end()
            tail = tail[-_TAIL:]
            if visible := chunk if hiding is None else hiding.feed(chunk):
                await self._send_body(visible)
        await self._end()
        await self._send_body(b"" if hiding is None else hiding.finish(), more=False)

    async def _end(self) -> None:
        if self._recorder.is_ended:
            return
        is_failure = self._status is None or self._status >= 400
        status = "client_gone" if self._is_gone else "error" if is_failure else "ok"
        self.outcome = Outcome(status=status, http_status=self._status, response_headers=self._kept_headers)
        await self._recorder.end(self.outcome)

    async def _fail(self, error: BaseException) -> None:
        """The upstream failed, or the client left and its time to drain is over."""
        is_late = isinstance(error, TimeoutError)
        kind, message = ("upstream_timeout" if is_late else "upstream_error"), _one_line(error)
        if not isinstance(error, aiohttp.ClientError | OSError | TimeoutError):
            kind = "proxy_error"
        answer = 500 if kind == "proxy_error" else 504 if is_late else 502
        before_head = not self._has_started
        if before_head and not self._is_gone:
            self._status = answer
        if not self._recorder.is_ended:
            self.outcome = Outcome(
                status="client_gone" if self._is_gone else "error",
                http_status=self._status,
                error_type=None if self._is_gone else kind,
                error_message=None if self._is_gone else message,
                response_headers=self._kept_headers,
            )
            try:
                await self._recorder.end(self.outcome)
            except SpoolRefusedError as refused:
                await self._give_up(refused)
                return
        if before_head and not self._is_gone:
            await self._answer(answer, message, kind=kind)

    async def _give_up(self, error: SpoolRefusedError) -> None:
        """END is not on disk, so the client must not believe that its answer is complete."""
        self.outcome = Outcome(status="error", http_status=self._status, error_type="spool_refused")
        logger.error("an answer was withheld: %s", error)
        if not self._has_started:
            self._status = 503
            await self._answer(503, str(error), kind="spool_refused")

    def _finish_soon(self, kind: str, message: str) -> None:
        if not self._recorder.is_ended:
            self.outcome = Outcome(
                status="error",
                http_status=self._status,
                error_type=kind,
                error_message=message,
                response_headers=self._kept_headers,
            )
            self._recorder.end_soon(self.outcome)

    async def _answer(self, status: int, message: str, *, kind: str) -> None:
        self._has_started = True
        await send_json(
            self._send, error_body(message, kind=kind), status=status, headers=(self._call_header,)
        )

    async def _send_body(self, data: bytes, *, more: bool = True) -> None:
        if not self._is_gone:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _client_left(self, done: "asyncio.Future[Message]", *, clock: asyncio.Timeout) -> None:
        if done.cancelled():
            return
        self._is_gone = not self._recorder.is_ended
        # From here on the answer is only read to know its text and usage; both have a price. The clock
        # cannot be set any more where the call is over, too.
        with contextlib.suppress(RuntimeError):
            clock.reschedule(asyncio.get_running_loop().time() + self._limits.drain_seconds)

    def _filter(self, prepared: Prepared, *, response: aiohttp.ClientResponse) -> StreamFilter | None:
        is_packed = header(response.raw_headers, b"content-encoding") not in (b"", b"identity")
        return self._provider.usage_filter() if prepared.strips_usage and not is_packed else None


def _is_stream(response: aiohttp.ClientResponse, *, is_asked_for: bool) -> bool:
    """Server-sent events, also where a compatible provider names the type wrongly."""
    kind = header(response.raw_headers, b"content-type").lower()
    is_unnamed = is_asked_for and response.status < 300 and b"json" not in kind
    return kind.startswith(b"text/event-stream") or is_unnamed


def call_id_header(value: object) -> tuple[bytes, bytes]:
    return CALL_ID, str(value).encode()


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return f"the provider could not be reached or broke off: {text}"[:500]
