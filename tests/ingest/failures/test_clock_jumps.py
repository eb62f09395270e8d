"""The wall clock is set back or forward while calls run: they end, keep their length, and land once each."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import aiohttp
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.loading.result import LoaderResult
from ingest.proxy.protocol import Patience
from ingest.proxy.serving import Serving
from ingest.settings import Settings
from ingest.uuid7 import uuid7, uuid7_time
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.raw_http import chat, connected, read_all, said_to
from tests.ingest.running_proxy import Proxy, running_proxy, until
from tests.ingest.upstream import Provider

HOUR = 3600 * 10**9
DAY = 24 * HOUR


@dataclass
class Clock:
    """The wall clock of this process, `offset` nanoseconds off."""

    offset: int = 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock, right = Clock(), time.time_ns
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: right() + clock.offset)
        patch.setattr(time, "time", lambda: (right() + clock.offset) / 1e9)
        yield clock


@pytest.mark.parametrize(
    "jump", [-HOUR, -30 * DAY, DAY // 2], ids=["an hour back", "a month back", "forward"]
)
async def test_a_call_across_a_jump_keeps_its_length_and_lands(
    settings: Settings,
    provider: Provider,
    clock: Clock,
    load: Callable[..., LoaderResult],
    jump: int,
) -> None:
    async with running_proxy(settings.home, provider.url) as proxy:
        running = asyncio.ensure_future(said_to(proxy.url, chat("hang", b"connection: close")))
        await until(lambda: len(provider.bodies) == 1)
        clock.offset = jump
        provider.release.set()
        assert (await running).startswith(b"HTTP/1.1 200 ")
        assert (await said_to(proxy.url, chat("ok", b"connection: close"))).startswith(b"HTTP/1.1 200 ")
        ends = [call.end for call in proxy.calls().values()]
        assert all(end is not None and end.status == "ok" for end in ends)
        assert all(0 < (end.latency_ms or 0) < 60_000 for end in ends if end)
    clock.offset = 0
    assert await asyncio.to_thread(load) == LoaderResult(landed=2)


async def test_calls_of_a_clock_far_ahead_are_put_aside_with_their_reason(
    settings: Settings,
    provider: Provider,
    clock: Clock,
    load: Callable[..., LoaderResult],
    connection: psycopg.Connection[TupleRow],
) -> None:
    async with running_proxy(settings.home, provider.url) as proxy:
        clock.offset = 400 * DAY
        await said_to(proxy.url, chat("ok", b"connection: close"))
        clock.offset = 0
        await said_to(proxy.url, chat("ok", b"connection: close"))
    assert await asyncio.to_thread(load) == LoaderResult(landed=1, rejected=1)
    assert connection.execute("select count(*) from raw.dead_letters").fetchone() == (1,)


async def test_deadlines_do_not_heed_the_wall_clock(
    settings: Settings, provider: Provider, clock: Clock
) -> None:
    serving = Serving(patience=Patience(head_seconds=0.3))
    async with running_proxy(settings.home, provider.url, serving=serving) as proxy:
        async with connected(proxy.url) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\n")
            clock.offset = -DAY
            assert await asyncio.wait_for(read_all(reader), 30) == b""
        clock.offset = DAY
        async with aiohttp.ClientSession() as http:
            for _ in range(3):
                async with http.post(proxy.url + CHAT, data=body_of("ok")) as response:
                    assert response.status == 200
                clock.offset -= HOUR


async def test_ids_stay_apart_and_say_the_time_of_their_call(proxy: Proxy, clock: Clock) -> None:
    for jump in (0, -HOUR, HOUR, -HOUR, 5):
        clock.offset += jump
        await said_to(proxy.url, chat("ok", b"connection: close"))
    starts = [call.start for call in proxy.calls().values()]
    assert len(starts) == 5
    for start in starts:
        at = uuid7_time(start.call_id)
        assert at is not None
        assert round(at.timestamp() * 1000) == start.started_at_ns // 1_000_000
    ids: set[object] = set()
    for number in range(2_000):
        clock.offset = -number % 7 * HOUR
        ids.add(uuid7())
    assert len(ids) == 2_000
