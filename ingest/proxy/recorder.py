"""One call's way into the spool: START, then PARTs while it streams, then END."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from ingest.providers.base import Provider
from ingest.proxy.aside import Aside
from ingest.proxy.http import Headers
from ingest.proxy.kept import (
    Answer,
    KeptAnswer,
    KeptRequest,
    Rules,
    keep_answer,
    keep_attempts,
    keep_message,
    keep_request,
)
from ingest.proxy.parts import Memory, Parts
from ingest.proxy.ports import Keeping
from ingest.proxy.surroundings import KeepAll
from ingest.spool.records import End, Start
from ingest.spool.writer import Spool
from ingest.uuid7 import uuid7

HEAD_BYTES = 8 << 10
TAIL_BYTES = 16 << 10
SHORT_BYTES = 4 << 10
"""Masked on the event loop: a millisecond or so. What is longer goes through a thread."""
_KEPT_HEADERS = frozenset(
    {b"content-type", b"content-encoding", b"x-request-id", b"openai-processing-ms", b"retry-after"}
)
_aside = Aside()


class Outcome(msgspec.Struct, frozen=True):
    """How a call ended, as END says it."""

    status: str
    http_status: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    response_headers: dict[str, str] = {}
    attempts: tuple[dict[str, Any], ...] = ()
    spent: dict[str, str] = {}
    cost_usd: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """What START is told of a call. `reserved` is budget id to USD."""

    endpoint: str
    provider: str
    requested_model: str
    is_streamed: bool
    request: bytes
    observer: dict[str, str]
    purpose: str
    key_id: str | None
    reserved: dict[str, str]


class Bounds(msgspec.Struct, frozen=True):
    """PARTs are written every `part_seconds` or `part_bytes`; an answer that may not touch the disk is held
    in memory up to `held_bytes`, and as long as `takes` finds room for it."""

    part_seconds: float
    part_bytes: int
    held_bytes: int = 8 << 20
    takes: Callable[[int], bool] = lambda size: True


class Recorder:
    """Writes what a call's START promises. `start` may be refused; then nothing is recorded.

    Where the project does not let everything be kept (`keeping`), no byte of the answer is written before
    its end: it is put together in memory and masked. What is too much for that is shed and flagged; usage,
    model and outcome are known all the same.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        provider: Provider,
        key: bytes | None,
        bounds: Bounds,
        keeping: Keeping | None = None,
    ) -> None:
        self._spool = spool
        self._bounds = bounds
        self._rules = Rules(provider, keeping or KeepAll(), key)
        self._answer: Parts | Memory | None = None
        self._ttft_ms: float | None = None
        self._began = time.perf_counter()
        self._start: Start | None = None
        self._head = bytearray()
        self._tail = bytearray()
        self.is_ended = False

    async def start(self, asked: Asked) -> UUID:
        """Commit START and return the call's id. Raises SpoolRefusedError."""
        kept = await self._kept_request(asked)
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
            endpoint=asked.endpoint,
            provider=asked.provider,
            requested_model=kept.requested_model,
            is_streamed=asked.is_streamed,
            key_id=asked.key_id,
            observer=kept.observer,
            purpose=asked.purpose,
            request=kept.request,
            body_state=kept.body_state,
            input_text=kept.input_text,
            reserved=asked.reserved,
        )
        self._answer = self._answer_of(call_id)
        self._count_shed(kept.body_state)
        await self._spool.append(self._start)
        return call_id

    @property
    def started_at_ns(self) -> int:
        """Unix nanoseconds; 0 before START."""
        return self._start.started_at_ns if self._start else 0

    @property
    def ttft_ms(self) -> float | None:
        """Milliseconds from START to the first byte of a stream."""
        return self._ttft_ms if self._start and self._start.is_streamed else None

    @property
    def head(self) -> bytes:
        """The first kilobytes of the answer."""
        return bytes(self._head)

    @property
    def tail(self) -> bytes:
        """The last kilobytes of the answer; all of a short one."""
        return bytes(self._tail)

    def add(self, data: bytes, *, is_last: bool = False) -> None:
        """Bytes that came from upstream, before the client gets them; END follows the last at once."""
        if self.is_ended or self._answer is None:
            return
        if self._ttft_ms is None:
            self._ttft_ms = self._elapsed_ms()
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        self._tail += data
        if len(self._tail) > 4 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        self._answer.add(data, is_last=is_last)

    async def end(self, outcome: Outcome) -> None:
        """Commit END, once. Raises SpoolRefusedError: the client must then not get its last byte."""
        if self.is_ended or self._start is None or self._answer is None:
            return
        await self._answer.settled()
        answer = self._answered(outcome, start=self._start)
        kept = await self._kept_answer(answer)
        if (done := self._append(outcome, kept=kept)) is not None:
            await done

    def end_soon(self, outcome: Outcome) -> "asyncio.Future[None] | None":
        """Hand END to the spool without waiting, for a task that may not wait any more.

        An answer that is too long to be masked here and now is shed.
        """
        if self.is_ended or self._start is None or self._answer is None:
            return None
        answer = self._answered(outcome, start=self._start)
        if self._is_long(answer.body):
            answer = msgspec.structs.replace(answer, body=b"", is_whole=False)
        return self._append(outcome, kept=keep_answer(answer, rules=self._rules))

    def _append(self, outcome: Outcome, *, kept: KeptAnswer) -> "asyncio.Future[None] | None":
        """END goes out once, also where a task was told to stop while its answer was being masked."""
        if self.is_ended or self._start is None:
            return None
        self.is_ended = True
        self._count_shed(kept.body_state)
        return self._spool.append(self._end(outcome, start=self._start, kept=kept))

    def _end(self, outcome: Outcome, *, start: Start, kept: KeptAnswer) -> End:
        return End(
            call_id=start.call_id,
            ended_at_ns=time.time_ns(),
            status=outcome.status,
            http_status=outcome.http_status,
            error_type=outcome.error_type,
            error_message=keep_message(outcome.error_message, rules=self._rules),
            ttft_ms=self.ttft_ms,
            latency_ms=self._elapsed_ms(),
            response=kept.response,
            response_headers=outcome.response_headers,
            attempts=keep_attempts(outcome.attempts, rules=self._rules),
            body_state=kept.body_state,
            said=kept.said,
            spent=outcome.spent,
            cost_usd=outcome.cost_usd,
        )

    def _answer_of(self, call_id: UUID) -> Parts | Memory:
        bounds, rules = self._bounds, self._rules
        if rules.keeping.keep != "full":
            return Memory(limit=bounds.held_bytes, takes=bounds.takes)
        return Parts(
            self._spool,
            call_id=call_id,
            key=rules.key,
            seconds=bounds.part_seconds,
            size=bounds.part_bytes,
        )

    async def _kept_request(self, asked: Asked) -> KeptRequest:
        work = partial(
            keep_request,
            asked.request,
            model=asked.requested_model,
            is_streamed=asked.is_streamed,
            observer=asked.observer,
            rules=self._rules,
        )
        if not self._is_long(asked.request):
            return work()
        return work(is_hasty=True) if _aside.is_full else await _aside.run(work)

    async def _kept_answer(self, answer: Answer) -> KeptAnswer:
        if not self._is_long(answer.body):
            return keep_answer(answer, rules=self._rules)
        if _aside.is_full:
            return keep_answer(msgspec.structs.replace(answer, body=b"", is_whole=False), rules=self._rules)
        return await _aside.run(partial(keep_answer, answer, rules=self._rules))

    def _is_long(self, body: bytes) -> bool:
        """Whether to work on it would hold up the loop."""
        return len(body) > SHORT_BYTES and self._rules.keeping.keep != "full"

    def _count_shed(self, body_state: str) -> None:
        if body_state == "shed":
            self._spool.counters.shed += 1

    def _answered(self, outcome: Outcome, *, start: Start) -> Answer:
        answer = self._answer
        return Answer(
            body=b"" if answer is None else answer.rest(),
            head=self.head,
            tail=self.tail,
            is_streamed=start.is_streamed,
            http_status=outcome.http_status,
            content_encoding=outcome.response_headers.get("content-encoding"),
            is_whole=answer is not None and answer.is_whole,
            has_room=not self._spool.is_shedding,
        )

    def _elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._began) * 1000, 3)


def kept_headers(headers: Headers) -> dict[str, str]:
    """The few response headers worth a record; never cookies."""
    return {
        name.lower().decode("latin-1"): value.decode("latin-1")
        for name, value in headers
        if name.lower() in _KEPT_HEADERS or name.lower().startswith(b"x-ratelimit-")
    }
