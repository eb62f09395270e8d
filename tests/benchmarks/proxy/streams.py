"""Many streams at once: how late frames come, whether one stalls, and whether slow readers cost memory.

    python -m tests.benchmarks.proxy.streams [--streams 300] [--pace 0.02] [--seconds 30] [--slow 50]

Every frame carries the time at which the mock wrote it, so that its way is timed alone: first straight from
mock to client, then through the proxy (its core is its own). Beside the streams, on both ways, `--slow`
clients read an endless stream at 1 byte a second. Exit code 1 where a bar is missed: a stall of 250 ms,
frames 10 ms later at the 95th percentile than on the direct way, memory that grows.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import tempfile
import time
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from tests.benchmarks.proxy.exchange import DONE, FLOOD, STAMPED
from tests.benchmarks.proxy.load import Address, percentile
from tests.benchmarks.proxy.processes import (
    LOAD_CORE,
    PROXY_CORE,
    Running,
    lqo,
    machine,
    module,
    on_load_core,
    serving,
)

BAR_STALL_MS, BAR_DELAY_MS, BAR_GROWTH_MB = 250.0, 10.0, 30.0
_STAMP = b'"created": '
_KEY = ("authorization: Bearer sk-bench-0123456789abcdef0123456789abcdef",)
_SPREAD_SECONDS = 2.0
"""Streams begin one after the other over this time, as calls do."""


@dataclass(slots=True)
class Arrivals:
    """What clients saw: delays of all frames in ms, the longest gap between two frames of a stream in ms,
    streams that ended as they should."""

    delays_ms: "array[float]"
    longest_gap_ms: float = 0.0
    n_whole: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """One way's figures. `rss_mb` is the proxy's memory, second by second."""

    frames: int
    whole: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    longest_gap_ms: float
    cpu_share: float
    rss_mb: list[float]


class Reader(asyncio.Protocol):
    """Reads one stream to its end."""

    def __init__(self, request: bytes, *, arrivals: Arrivals) -> None:
        self._request = request
        self._arrivals = arrivals
        self._rest = b""
        self._last = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        text = self._rest + data
        at = 0
        while (found := text.find(_STAMP, at)) >= 0 and (end := text.find(b",", found)) >= 0:
            at = end
            self._arrivals.delays_ms.append((now - int(text[found + len(_STAMP) : end])) / 1e6)
        if at:
            if self._last:
                gap = (now - self._last) / 1e6
                self._arrivals.longest_gap_ms = max(gap, self._arrivals.longest_gap_ms)
            self._last = now
        self._rest = text[max(at, len(text) - 64) :]
        if DONE in text:
            self._arrivals.n_whole += 1
            self._transport.close()


async def read_streams(address: Address, *, streams: int) -> Arrivals:
    """All of them, to their ends."""
    arrivals = Arrivals(array("d"))
    loop = asyncio.get_running_loop()
    request = address.request(_ask(STAMPED))

    async def one(number: int) -> None:
        await asyncio.sleep(_SPREAD_SECONDS * number / streams)
        _, reader = await loop.create_connection(
            lambda: Reader(request, arrivals=arrivals), address.host, address.port
        )
        await reader.over

    await asyncio.gather(*(one(number) for number in range(streams)))
    return arrivals


async def read_slowly(address: Address) -> None:
    """One byte a second, with the smallest buffer the kernel gives, until cancelled."""
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.setblocking(False)
        await loop.sock_connect(connection, (address.host, address.port))
        await loop.sock_sendall(connection, address.request(_ask(FLOOD)))
        while await loop.sock_recv(connection, 1):
            await asyncio.sleep(1.0)


async def measure(url: str, *, streams: int, slow: int, watched: Running | None) -> Found:
    """The figures of one way; the memory and CPU of `watched` beside them."""
    address = Address.of(url, headers=_KEY)
    tasks = [asyncio.ensure_future(read_slowly(address)) for _ in range(slow)]
    rss: list[float] = []
    if watched is not None:
        tasks.append(asyncio.ensure_future(_watch(watched, rss)))
    cpu, began = watched.cpu_seconds() if watched else 0.0, time.monotonic()
    arrivals = await read_streams(address, streams=streams)
    used = (watched.cpu_seconds() - cpu) / (time.monotonic() - began) if watched else 0.0
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    delays = sorted(arrivals.delays_ms)
    return Found(
        frames=len(delays),
        whole=arrivals.n_whole,
        p50_ms=round(percentile(delays, 0.5), 2),
        p95_ms=round(percentile(delays, 0.95), 2),
        p99_ms=round(percentile(delays, 0.99), 2),
        longest_gap_ms=round(arrivals.longest_gap_ms, 1),
        cpu_share=round(used, 2),
        rss_mb=rss,
    )


async def _watch(running: Running, rss: list[float]) -> None:
    while True:
        rss.append(round(running.rss_bytes() / 1e6, 1))
        await asyncio.sleep(1.0)


def growth_mb(rss: list[float]) -> float:
    """How much memory the second half of the run had above its middle: streams all run by then."""
    later = rss[len(rss) // 2 :]
    return round(max(later) - later[0], 1) if later else 0.0


def missed(found: Found, *, direct: Found, streams: int) -> list[str]:
    """Which bars were not reached."""
    checks = {
        f"only {found.whole} of {streams} streams were whole": found.whole < streams,
        f"a stream stalled for {found.longest_gap_ms} ms": found.longest_gap_ms > BAR_STALL_MS,
        f"p95 of frames is {found.p95_ms - direct.p95_ms:.1f} ms above the direct way": found.p95_ms
        - direct.p95_ms
        > BAR_DELAY_MS,
        f"memory grew by {growth_mb(found.rss_mb)} MB": growth_mb(found.rss_mb) > BAR_GROWTH_MB,
    }
    return [text for text, is_missed in checks.items() if is_missed]


def run(*, streams: int, pace: float, seconds: float, slow: int) -> tuple[Found, Found]:
    """The direct way and the one through the proxy."""
    words = int(seconds / pace)
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="lqo-bench-"))
        mock = stack.enter_context(serving(module("mock", "--words", words, "--pace", pace), core=LOAD_CORE))
        direct = uvloop.run(measure(mock.url, streams=streams, slow=slow, watched=None))
        proxy = stack.enter_context(
            serving(
                lqo("proxy", "--port", 0, "--upstream", mock.url),
                core=PROXY_CORE,
                env={"LQO_HOME": home},
                log=Path(home) / "log",
            )
        )
        through = uvloop.run(measure(proxy.url, streams=streams, slow=slow, watched=proxy))
    return direct, through


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between frames")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of a stream")
    parser.add_argument("--slow", type=int, default=50, help="readers of 1 byte a second")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--lenient", action="store_true", help="figures are told, not asserted")
    options = parser.parse_args()
    where = machine()
    on_load_core()
    direct, through = run(
        streams=options.streams, pace=options.pace, seconds=options.seconds, slow=options.slow
    )
    print(where)
    print(
        f"{options.streams} streams, a frame every {options.pace * 1000:.0f} ms, {options.slow} slow readers"
    )
    for name, found in (("direct", direct), ("lqo", through)):
        print(
            f"{name:7} {found.frames:8,} frames   p50 {found.p50_ms:6.2f} ms   p95 {found.p95_ms:6.2f} ms   "
            f"p99 {found.p99_ms:6.2f} ms   longest gap {found.longest_gap_ms:6.1f} ms"
        )
    rss = through.rss_mb
    memory = ", ".join(f"{each:.0f}" for each in (rss[0], rss[len(rss) // 2], rss[-1]))
    print(f"proxy: {through.cpu_share:.2f} of its core; {memory} MB at first, in the middle, at last")
    problems = missed(through, direct=direct, streams=options.streams)
    print("\n".join(f"MISSED: {problem}" for problem in problems) or "all bars reached")
    if options.json:
        figures = {"machine": where, "direct": asdict(direct), "lqo": asdict(through), "missed": problems}
        options.json.write_text(json.dumps(figures))
    sys.exit(1 if problems and not options.lenient else 0)


def _ask(model: str) -> bytes:
    question = {"model": model, "stream": True, "stream_options": {"include_usage": True}}
    return json.dumps({**question, "messages": [{"role": "user", "content": "tell me a story"}]}).encode()


if __name__ == "__main__":
    main()
