"""One recorded call: from the upstream's answer to the client's last byte."""

import asyncio
import contextlib
import logging
import re

import aiohttp

from ingest.providers.base import Prepared, Provider, Reading, StreamFilter
from ingest.proxy.attempts import Attempts, Sending, Trail, failure_kind
from ingest.proxy.bounds import Limits
from ingest.proxy.departure import Departure
from ingest.proxy.http import (
    Message,
    Send,
    forwarded_response_headers,
    header,
    send_bytes,
)
from ingest.proxy.ports import Pricer, Target
from ingest.proxy.recorder import Outcome, Recorder, kept_headers
from ingest.proxy.settling import Settling
from ingest.proxy.upstream import Upstream
from ingest.proxy.used import Used
from ingest.spool.writer import SpoolRefusedError

logger = logging.getLogger(__name__)

_QUERY = re.compile(r"(https?://[^\s'\"?]+)\?[^\s'\"]*")
_STATUS_OF = {"proxy_error": 500, "upstream_error": 502, "upstream_timeout": 504}
_TAIL = 64
"""Bytes of the last chunk looked at again, so that a split end marker is found."""
_FRAME_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_LARGEST_LAST_FRAME = 4 << 20
"""Bytes of a final frame that wait for its end: `response.completed` repeats the whole answer."""


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
        sending: Sending,
        recorder: Recorder,
        pricer: Pricer,
        limits: Limits,
        departure: Departure,
        send: Send,
        call_header: tuple[bytes, bytes],
    ) -> None:
        self._provider = provider
        self._sending = sending
        self._recorder = recorder
        self._limits = limits
        self._departure = departure
        self._send = send
        self._call_header = call_header
        self._is_gone = False
        self._has_started = False
        self._head: Message | None = None
        self._answered: int | None = None
        self._status: int | None = None
        self._kept_headers: dict[str, str] = {}
        self.outcome = Outcome(status="error")
        self._attempts = Attempts(sending, provider=provider)
        self._settling = Settling(
            provider, sending=sending, recorder=recorder, pricer=pricer, attempts=self._attempts
        )

    async def run(self, upstream: Upstream) -> None:
        """Send, relay, record. Raises only CancelledError (the proxy is stopping)."""
        try:
            async with asyncio.timeout(None) as clock:
                self._departure.watch(lambda: self._client_left(clock))
                await self._exchange(upstream)
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
            self._departure.forget()
            self._sending.plan.abandoned()

    @property
    def target(self) -> Target:
        """Where the last attempt went."""
        return self._attempts.target

    @property
    def trail(self) -> Trail:
        """All attempts."""
        return self._attempts.trail

    @property
    def reading(self) -> Reading | None:
        """What the answer says it used."""
        return self._settling.reading

    @property
    def used(self) -> tuple[Used, ...]:
        """What each attempt used that says it, and what that costs."""
        return self._settling.used

    @property
    def http_status(self) -> int:
        """What the client was told; 499, as nginx says it, for one that left before any status."""
        return self._status or (499 if self._is_gone else 500)

    async def _exchange(self, upstream: Upstream) -> None:
        prepared = self._sending.prepared
        response = await self._attempts.answer(upstream)
        try:
            self._status = self._answered = response.status
            self._kept_headers = kept_headers(response.raw_headers)
            is_stream = _is_stream(response, is_asked_for=prepared.is_streamed)
            self._head = self._head_of(response, is_stream=is_stream)
            # A plain answer that is all here leaves in one write with its head: a second one would be a
            # tenth of the call's whole cost. Any other head leaves as it came.
            if is_stream or not response.content.is_eof():
                await self._send_head()
            if is_stream:
                await self._stream(response, hiding=self._filter(prepared, response=response))
            else:
                await self._plain(response)
        except BaseException:
            response.close()
            raise
        response.release()

    def _head_of(self, response: aiohttp.ClientResponse, *, is_stream: bool) -> Message:
        headers = forwarded_response_headers(response.raw_headers, keeps_length=not is_stream)
        if ours := {name for name, _ in self._sending.grant.headers}:
            headers = [pair for pair in headers if pair[0] not in ours]
        headers += [*self._sending.grant.headers, self._call_header]
        return {"type": "http.response.start", "status": response.status, "headers": headers}

    async def _send_head(self) -> None:
        if self._head is not None and not self._has_started:
            self._has_started = True
            await self._send(self._head)

    async def _plain(self, response: aiohttp.ClientResponse) -> None:
        held = b""
        drained = 0
        while chunk := await self._attempts.read(response):
            self._recorder.add(chunk, is_last=response.content.at_eof())
            if self._is_gone and (drained := drained + len(chunk)) > self._limits.drain_bytes:
                break
            if held:
                await self._send_body(held)
            held = chunk
        await self._end()
        await self._send_body(held, more=False)

    async def _stream(self, response: aiohttp.ClientResponse, *, hiding: StreamFilter | None) -> None:
        """Relay each chunk as it comes; what belongs to the last frame waits until END holds all of it."""
        tail, held = b"\n", b""
        drained = 0
        is_last = False
        while chunk := await self._attempts.read(response):
            self._recorder.add(chunk)
            if self._is_gone and (drained := drained + len(chunk)) > self._limits.drain_bytes:
                break
            tail += chunk
            is_last = is_last or self._provider.is_terminal(tail)
            is_complete = tail.endswith(_FRAME_ENDS) or len(held) > _LARGEST_LAST_FRAME
            tail = tail[-_TAIL:]
            held += chunk if hiding is None else hiding.feed(chunk)
            if is_last and not self._recorder.is_ended:
                if not is_complete:
                    continue
                await self._end()
            if held:
                await self._send_body(held)
                held = b""
        await self._end()
        await self._send_body(held + (b"" if hiding is None else hiding.finish()), more=False)

    async def _end(self) -> None:
        if self._recorder.is_ended:
            return
        is_failure = self._status is None or self._status >= 400
        status = "client_gone" if self._is_gone else "error" if is_failure else "ok"
        self.outcome = self._settled(status)
        await self._recorder.end(self.outcome)

    def _settled(
        self, status: str, *, error_type: str | None = None, error_message: str | None = None
    ) -> Outcome:
        """The outcome with what the call used; limits and targets are told once."""
        answered = self._answered
        gone = "client_gone" if self._is_gone and answered is None else None
        self.trail.end(status=answered, error_type=error_type or gone)
        spent = self._settling.settle(
            status,
            answered=answered,
            is_refused=self._status is None or self._status >= 400,
            error_type=error_type,
            is_gone=self._is_gone,
        )
        return Outcome(
            status=status,
            http_status=self._status,
            error_type=error_type,
            error_message=error_message,
            response_headers=self._kept_headers,
            attempts=self.trail.records(),
            spent=spent,
            cost_usd=None if (cost := self._settling.cost_usd) is None else str(cost),
        )

    async def _fail(self, error: BaseException) -> None:
        """The upstream failed, or the client left and its time to drain is over."""
        kind, message = failure_kind(error), _one_line(error)
        answer = _STATUS_OF[kind]
        before_head = not self._has_started
        if before_head and not self._is_gone:
            self._status = answer
        if not self._recorder.is_ended:
            self.outcome = (
                self._settled("client_gone")
                if self._is_gone
                else self._settled("error", error_type=kind, error_message=message)
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
            self.outcome = self._settled("error", error_type=kind, error_message=message)
            self._recorder.end_soon(self.outcome)

    async def _answer(self, status: int, message: str, *, kind: str) -> None:
        self._has_started = True
        await send_bytes(
            self._send,
            self._provider.error_body(message, kind=kind, status=status),
            status=status,
            content_type=b"application/json",
            headers=(*self._sending.grant.headers, self._call_header),
        )

    async def _send_body(self, data: bytes, *, more: bool = True) -> None:
        if not self._is_gone:
            await self._send_head()
            await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _client_left(self, clock: asyncio.Timeout) -> None:
        self._is_gone = not self._recorder.is_ended
        self._attempts.is_wanted = not self._is_gone
        # From here on the answer is only read to know its text and usage; both have a price. The clock
        # cannot be set any more where the call is over, too.
        with contextlib.suppress(RuntimeError):
            clock.reschedule(asyncio.get_running_loop().time() + self._limits.drain_seconds)

    def _filter(self, prepared: Prepared, *, response: aiohttp.ClientResponse) -> StreamFilter | None:
        is_packed = header(response.raw_headers, b"content-encoding") not in (b"", b"identity")
        return self._provider.usage_filter() if prepared.strips_usage and not is_packed else None


def _is_stream(response: aiohttp.ClientResponse, *, is_asked_for: bool) -> bool:
    """Whatever answers a request for a stream, too: the type may be wrong, and Gemini streams JSON arrays."""
    kind = header(response.raw_headers, b"content-type").lower()
    return kind.startswith(b"text/event-stream") or (is_asked_for and response.status < 300)


def _one_line(error: BaseException) -> str:
    # aiohttp names the URL, whose query may hold a key.
    text = _QUERY.sub(r"\1", " ".join(str(error).split())) or type(error).__name__
    return f"the provider could not be reached or broke off: {text}"[:500]
