"""What the three endpoints share: room for bodies, one thread for their work, the way into the spool."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Protocol, TypeVar

from ingest.importers.delivered import Sender
from ingest.intake.body import MOST_SENT, read_sent
from ingest.proxy.http import (
    Headers,
    Receive,
    Scope,
    Send,
    call_id_header,
    error_body,
    header,
    send_bytes,
    send_json,
)
from ingest.proxy.ports import Caller, Privacy, Refusal
from ingest.settings import landing_range
from ingest.spool.records import Delivery, Record
from ingest.spool.writer import Spool, SpoolRefusedError
from ingest.uuid7 import uuid7

T = TypeVar("T")

MOST_HELD = 128 << 20
"""Bytes of bodies held at once: what comes beyond is asked to come again."""
RECORD_BYTES = 192 << 10
"""Lines a delivery holds: below what the spool keeps as a large body, unless a single line is longer."""
_COMMITTED_AT_ONCE = 4
_AGAIN = ((b"retry-after", b"2"),)


class Count(Protocol):
    """Told of items: call, span or opinion; taken, rejected, or passed_over (a span that is no call)."""

    def __call__(self, kind: str, outcome: str, number: int, /) -> None: ...


class Desk:
    """One per proxy. Only `work` leaves the event loop, and one piece of work runs at a time."""

    def __init__(self, spool: Spool, *, privacy: Privacy, start: date, count: Count) -> None:
        self.privacy = privacy
        self.count = count
        self._spool = spool
        self._start = start
        self._held = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")

    def landing_range(self) -> tuple[datetime, datetime]:
        """The half-open range of `started_at` that may land now."""
        return landing_range(self._start, now=datetime.now(UTC))

    @contextmanager
    def room(self, headers: Headers) -> Iterator[Refusal | None]:
        """Room for one body while it is worked on; a refusal where there is none or the disk is full."""
        if not self._spool.is_accepting:
            yield Refusal(503, "spool_refused", "the spool's disk is almost full", _AGAIN)
            return
        length = header(headers, b"content-length")
        size = min(int(length), MOST_SENT) if length.isdigit() else MOST_SENT
        if self._held and self._held + size > MOST_HELD:
            yield Refusal(503, "busy", "too much is being taken in at the moment", _AGAIN)
            return
        self._held += size
        try:
            yield None
        finally:
            self._held -= size

    async def work(self, job: Callable[[], T]) -> T:
        """Run `job` in the desk's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    async def keep(self, records: Sequence[Record]) -> Refusal | None:
        """Commit `records` to the spool; what was committed before a refusal stays, and may come again."""
        try:
            for at in range(0, len(records), _COMMITTED_AT_ONCE):
                group = [self._spool.append(record) for record in records[at : at + _COMMITTED_AT_ONCE]]
                await asyncio.gather(*group)
        except SpoolRefusedError as error:
            return Refusal(503, "spool_refused", str(error), _AGAIN)
        return None


async def read_post(scope: Scope, receive: Receive) -> bytes | Refusal:
    """The request's body as it was sent, or why it is not read."""
    if scope["method"] != "POST":
        return Refusal(405, "method_not_allowed", "this endpoint takes POST", ((b"allow", b"POST"),))
    return await read_sent(receive, headers=scope["headers"])


async def refuse(send: Send, refusal: Refusal) -> int:
    """Say no as every endpoint of ours does; the status said."""
    await send_json(
        send,
        error_body(refusal.message, kind=refusal.kind),
        status=refusal.status,
        headers=(*refusal.headers, call_id_header(uuid7())),
    )
    return refusal.status


async def answer_json(send: Send, body: bytes, *, status: int) -> int:
    """One JSON answer; the status said."""
    mark = (call_id_header(uuid7()),)
    await send_bytes(send, body, status=status, content_type=b"application/json", headers=mark)
    return status


def sender_of(caller: Caller, *, is_otlp: bool = False) -> Sender:
    """A key of ours says whose calls these are; a provider's key that merely came along does not."""
    return Sender(
        source="otlp" if is_otlp else "import",
        project=caller.project,
        environment=caller.environment,
        key_id=None if caller.forwards_key else caller.key_id,
    )


def deliveries(lines: Sequence[bytes], *, sender: Sender) -> list[Delivery]:
    """`lines` in order, in records of bounded size."""
    found: list[Delivery] = []
    held: list[bytes] = []
    size = 0
    for line in lines:
        if held and size + len(line) > RECORD_BYTES:
            found.append(_delivery(held, sender=sender))
            held, size = [], 0
        held.append(line)
        size += len(line)
    return [*found, _delivery(held, sender=sender)] if held else found


def _delivery(lines: Sequence[bytes], *, sender: Sender) -> Delivery:
    return Delivery(
        call_id=uuid7(),
        source=sender.source,
        lines=tuple(lines),
        project=sender.project,
        environment=sender.environment,
        key_id=sender.key_id,
    )
