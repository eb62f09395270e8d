"""More connections, calls or bytes than fit: refused politely, while what is inside goes on."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import aiohttp

from ingest.proxy.gate import Capacity, Gate
from ingest.proxy.protocol import Patience
from ingest.proxy.serving import Serving
from ingest.spool.segment import QUARANTINE, segment_paths
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.raw_http import chat, connected, read_status, request, said_to, status_of
from tests.ingest.running_proxy import running_proxy, until
from tests.ingest.upstream import Provider

HEALTH = request(line=b"GET /healthz HTTP/1.1")


async def test_one_connection_too_many_is_told_so_and_the_others_go_on(
    tmp_path: Path, provider: Provider
) -> None:
    serving = Serving(patience=Patience(connections=3))
    async with (
        running_proxy(tmp_path, provider.url, serving=serving) as proxy,
        contextlib.AsyncExitStack() as stack,
    ):
        kept = [await stack.enter_async_context(connected(proxy.url)) for _ in range(3)]
        for reader, writer in kept:
            writer.write(HEALTH)
            assert await read_status(reader) == 200
        answer = await said_to(proxy.url, chat())
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in answer
        kept[0][1].close()
        async with asyncio.timeout(30):
            while await status_of(proxy.url, HEALTH) != 200:
                pass
        for reader, writer in kept[1:]:
            await reader.readuntil(b"}")
            writer.write(HEALTH)
            assert await read_status(reader) == 200


async def test_one_call_too_many_is_refused_and_counted_and_the_others_go_on(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    serving = Serving(capacity=Capacity(calls=2))
    async with running_proxy(tmp_path, provider.url, serving=serving) as proxy:
        running = [
            asyncio.ensure_future(said_to(proxy.url, chat("hang", b"connection: close"))) for _ in range(2)
        ]
        await until(lambda: len(provider.bodies) == 2)
        async with http.post(proxy.url + CHAT, data=body_of("ok")) as response:
            assert (response.status, response.headers["retry-after"]) == (503, "1")
            assert (await response.json())["error"]["type"] == "overloaded"
        # What is no call is not held up.
        assert await status_of(proxy.url, HEALTH) == 200
        provider.release.set()
        assert [answer[:13] for answer in await asyncio.gather(*running)] == [b"HTTP/1.1 200 "] * 2
        assert await status_of(proxy.url, chat()) == 200
        assert len(proxy.calls()) == 3
        assert proxy.gate.refused == {"calls": 1}
        async with http.get(f"{proxy.url}/metrics") as response:
            assert 'llm_gateway_refusals_total{kind="overloaded"} 1.0' in await response.text()


async def test_bodies_together_have_a_limit(tmp_path: Path, provider: Provider) -> None:
    serving = Serving(capacity=Capacity(held_bytes=100_000))
    async with running_proxy(tmp_path, provider.url, serving=serving) as proxy:
        running = asyncio.ensure_future(
            said_to(proxy.url, chat("hang", b"connection: close", padding="x" * 60_000))
        )
        await until(lambda: len(provider.bodies) == 1)
        answer = await said_to(proxy.url, chat("ok", padding="x" * 60_000))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"overloaded" in answer
        assert await status_of(proxy.url, chat("ok", padding="x" * 20_000)) == 200
        provider.release.set()
        assert (await running).startswith(b"HTTP/1.1 200 ")
        assert await status_of(proxy.url, chat("ok", padding="x" * 60_000)) == 200
        await until(lambda: proxy.gate.held_bytes == 0)


async def test_a_loop_that_is_late_takes_no_calls_until_it_keeps_time_again() -> None:
    gate = Gate(Capacity(lag_seconds=0.1))
    gate.start_watching()
    assert gate.refusal() is None
    time.sleep(0.4)
    await until(lambda: gate.lag_seconds > 0.1)
    refusal = gate.refusal()
    assert refusal is not None
    assert (refusal.status, refusal.kind) == (503, "overloaded")
    await until(lambda: gate.refusal() is None)
    gate.stop_watching()


async def test_no_free_file_descriptor_is_no_spin_and_no_end(tmp_path: Path, provider: Provider) -> None:
    few = "resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))"
    async with (
        killable_proxy(tmp_path, provider.url, before=few) as (url, process),
        connected(url) as (reader, writer),
    ):
        writer.write(HEALTH)
        assert await read_status(reader) == 200
        # A spool that still opens its files would take the descriptor with which the loop turns callers away.
        await until(lambda: len(segment_paths(tmp_path / "spool", tmp_path / "spool" / QUARANTINE)) == 2)
        with contextlib.ExitStack() as flood:
            for _ in range(400):
                flood.enter_context(knock(url))
            await until(lambda: descriptors(process.pid) > 70)
            before = cpu_seconds(process.pid)
            await asyncio.sleep(1.0)
            assert cpu_seconds(process.pid) - before < 0.5
            # Who was inside is served all the while.
            await reader.readuntil(b"}")
            writer.write(HEALTH)
            assert await read_status(reader) == 200
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError, TimeoutError):
                    if await status_of(url, chat()) == 200:
                        break
        assert process.poll() is None


async def test_a_flood_of_connections_leaves_nothing_behind(tmp_path: Path, provider: Provider) -> None:
    serving = "Serving(patience=Patience(connections=20))"
    async with killable_proxy(tmp_path, provider.url, serving=serving) as (url, process):
        assert await status_of(url, chat("ok", b"connection: close")) == 200
        before = descriptors(process.pid)
        for _ in range(5):
            flood = [knock(url) for _ in range(300)]
            await asyncio.sleep(0.1)
            for each in flood:
                each.close()
        await until(lambda: descriptors(process.pid) <= before + 5)
        assert await status_of(url, chat()) == 200


def knock(url: str) -> socket.socket:
    """A connection that says nothing."""
    host, port = url.removeprefix("http://").split(":")
    opened = socket.socket()
    opened.setblocking(False)
    opened.connect_ex((host, int(port)))
    return opened


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
