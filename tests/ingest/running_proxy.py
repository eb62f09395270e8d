"""The real proxy on a free port, in the test's own event loop, and its spool read as the loader would."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from ingest.providers.catalogue import BaseUrls, build_providers
from ingest.proxy.bounds import Limits
from ingest.proxy.gate import Capacity, Gate
from ingest.proxy.server import serve_proxy
from ingest.proxy.serving import Serving
from ingest.proxy.upstream import Upstream
from ingest.settings import Settings
from ingest.spool.reader import list_segments, read_records
from ingest.spool.records import End, Part, Record, Start
from ingest.spool.writer import Spool


@dataclass
class Call:
    """One call's records, put together."""

    start: Start
    parts: list[Part]
    end: End | None = None

    @property
    def response(self) -> bytes:
        return b"".join(part.response for part in self.parts) + (self.end.response if self.end else b"")


@dataclass
class Proxy:
    """A running proxy. `spool` is the directory, `writer` the object that fills it, `gate` what it counts."""

    url: str
    home: Path
    spool: Path
    writer: Spool
    gate: Gate

    def calls(self) -> dict[UUID, Call]:
        return calls_in(self.spool)

    def only_call(self) -> Call:
        (call,) = self.calls().values()
        return call


@asynccontextmanager
async def running_proxy(
    home: Path,
    upstream_url: str,
    *,
    limits: Limits | None = None,
    read_seconds: float = 600.0,
    connect_seconds: float = 60.0,
    serving: Serving | None = None,
    settings: Settings | None = None,
) -> AsyncIterator[Proxy]:
    settings = settings or Settings(home=home)
    writer = Spool(settings.spool)
    # A test shares the proxy's loop, which an import, or a machine that does not run it, blocks for seconds.
    gate = Gate(replace(serving.capacity if serving else Capacity(), lag_seconds=60.0))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.ensure_future(
        serve_proxy(
            settings=settings,
            providers=build_providers(BaseUrls.everywhere(upstream_url)),
            on_ready=ready.set_result,
            spool=writer,
            upstream=Upstream(read_seconds=read_seconds, connect_seconds=connect_seconds),
            limits=limits,
            serving=serving,
            gate=gate,
        )
    )
    await asyncio.wait((ready, running), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    try:
        yield Proxy(url=ready.result(), home=home, spool=settings.spool, writer=writer, gate=gate)
    finally:
        running.cancel()
        await asyncio.wait((running,))


def records_in(spool: Path) -> list[Record]:
    """Every record of a spool in order; fails on any fault."""
    found: list[Record] = []
    for segment in list_segments(spool):
        batch = read_records(segment, limit=10**7, max_bytes=1 << 30)
        assert batch.segment.fault is None, batch.segment.fault
        for entry in batch.entries:
            assert entry.record is not None, entry.error
            found.append(entry.record)
    return found


def calls_in(spool: Path) -> dict[UUID, Call]:
    calls: dict[UUID, Call] = {}
    for record in records_in(spool):
        if isinstance(record, Start):
            assert record.call_id not in calls
            calls[record.call_id] = Call(start=record, parts=[])
        elif isinstance(record, Part):
            calls[record.call_id].parts.append(record)
            assert record.number == len(calls[record.call_id].parts)
        else:
            assert calls[record.call_id].end is None
            calls[record.call_id].end = record
    return calls


async def until(fact: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)
