"""One call's way into the spool: START, then PARTs while it streams, then END."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ingest.proxy.http import Headers
from ingest.proxy.keys import without_key
from ingest.spool.records import End, Part, Start
from ingest.spool.writer import Spool, SpoolRefusedError
from ingest.uuid7 import uuid7

HEAD_BYTES = 8 << 10
TAIL_BYTES = 16 << 10
_KEPT_HEADERS = frozenset(
    {b"content-type", b"content-encoding", b"x-request-id", b"openai-processing-ms", b"retry-after"}
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, as END says it."""

    status: str
    http_status: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    response_headers: dict[str, str] = field(default_factory=dict[str, str])
    attempts: tuple[dict[str, Any], ...] = ()
    spent: dict[str, str] = field(default_factory=dict[str, str])
    cost_usd: str | None = None


class Recorder:
    """Writes what a call's START promises. `start` may be refused; then nothing is recorded.

    Bytes wait at most `part_seconds` or `part_bytes` before a PART holds them, so that a killed proxy
    takes no more of what the client saw with it. A refused PART stays in the buffer for the next.
    """

    def __init__(self, spool: Spool, *, key: bytes | None, part_seconds: float, part_bytes: int) -> None:
        self._spool = spool
        self._key = key
        self._part_seconds = part_seconds
        self._part_bytes = part_bytes
        self._buffer = bytearray()
        self._number = 0
        self._sent: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ttft_ms: float | None = None
        self._began = time.perf_counter()
        self._start: Start | None = None
        self.head = b""
        self.tail = b""
        self.is_ended = False

    async def start(
        self,
        *,
        endpoint: str,
        provider: str,
        requested_model: str,
        is_streamed: bool,
        request: bytes,
        observer: dict[str, str],
        purpose: str,
        key_id: str | None,
        reserved: dict[str, str],
    ) -> UUID:
        """Commit START and return the call's id. Raises SpoolRefusedError."""
        # The time is taken here and not on arrival: between it and `append` nothing may await, or the
        # spool's watermark could pass a call that is about to start.
        self._began = time.perf_counter()
        call_id = uuid7()
        started_at_ns = time.time_ns()
        if started_at_ns // 1_000_000 != (millisecond := call_id.int >> 80):
            # The clock went on between the two: the id decides.
            started_at_ns = millisecond * 1_000_000 + 999_999
        self._start = Start(
            call_id=call_id,
            started_at_ns=started_at_ns,
            endpoint=endpoint,
            provider=provider,
            requested_model=requested_model,
            is_streamed=is_streamed,
            key_id=key_id,
            observer=observer,
            purpose=purpose,
            request=without_key(request, self._key),
            reserved=reserved,
        )
        await self._spool.append(self._start)
        return self._start.call_id

    @property
    def started_at_ns(self) -> int:
        """Unix nanoseconds; 0 before START."""
        return self._start.started_at_ns if self._start else 0

    @property
    def ttft_ms(self) -> float | None:
        """Milliseconds from START to the first byte of a stream."""
        return self._ttft_ms if self._start and self._start.is_streamed else None

    def add(self, data: bytes) -> None:
        """Bytes that came from upstream, before the client gets them."""
        if self.is_ended:
            return
        if self._ttft_ms is None:
            self._ttft_ms = self._elapsed_ms()
        self._remember(data)
        self._buffer += data
        if len(self._buffer) >= self._part_bytes:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._part_seconds, self._flush)

    async def end(self, outcome: Outcome) -> None:
        """Commit END, once. Raises SpoolRefusedError: the client must then not get its last byte."""
        if self._sent is not None and not self.is_ended:
            await asyncio.wait((self._sent,))
        if (done := self.end_soon(outcome)) is not None:
            await done

    def end_soon(self, outcome: Outcome) -> "asyncio.Future[None] | None":
        """Hand END to the spool without waiting, for a task that may not wait any more."""
        if self.is_ended or self._start is None:
            return None
        self.is_ended = True
        self._stop_timer()
        return self._spool.append(self._end(outcome, start=self._start))

    def _end(self, outcome: Outcome, *, start: Start) -> End:
        return End(
            call_id=start.call_id,
            ended_at_ns=time.time_ns(),
            status=outcome.status,
            http_status=outcome.http_status,
            error_type=outcome.error_type,
            error_message=outcome.error_message,
            ttft_ms=self.ttft_ms,
            latency_ms=self._elapsed_ms(),
            response=without_key(bytes(self._buffer), self._key),
            response_headers=outcome.response_headers,
            attempts=outcome.attempts,
            spent=outcome.spent,
            cost_usd=outcome.cost_usd,
        )

    def _remember(self, data: bytes) -> None:
        """Keep the first and last kilobytes of the answer, which say its model and its usage."""
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        self.tail = data if not self.tail else self.tail + data
        if len(self.tail) > 4 * TAIL_BYTES:
            self.tail = self.tail[-TAIL_BYTES:]

    def _flush(self) -> None:
        self._stop_timer()
        if self.is_ended or not self._buffer or self._start is None:
            return
        if self._sent is not None and not self._sent.done():
            return
        held = bytes(self._buffer)
        self._buffer.clear()
        self._number += 1
        part = Part(call_id=self._start.call_id, number=self._number, response=without_key(held, self._key))
        self._sent = self._spool.append(part)
        self._sent.add_done_callback(lambda sent: self._take_back(held, sent=sent))

    def _take_back(self, held: bytes, *, sent: "asyncio.Future[None]") -> None:
        if not sent.cancelled() and isinstance(sent.exception(), SpoolRefusedError):
            self._number -= 1
            self._buffer[:0] = held

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._began) * 1000, 3)


def kept_headers(headers: Headers) -> dict[str, str]:
    """The few response headers worth a record; never cookies."""
    return {
        name.lower().decode("latin-1"): value.decode("latin-1")
        for name, value in headers
        if name.lower() in _KEPT_HEADERS or name.lower().startswith(b"x-ratelimit-")
    }
