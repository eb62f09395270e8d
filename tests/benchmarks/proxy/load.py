"""A load generator: closed loop (connections kept busy) and open loop (a schedule that waits for nobody).

    python -m tests.benchmarks.proxy.load URL --rate 1000 --seconds 60 --out FILE [--streams 0.1]

In the open loop a latency counts from the moment the schedule has a call, not from its sending: a proxy that
stalls delays every call that was due meanwhile, as its users would see it. Each answer is compared byte for
byte. Calls are never tried again. The module's form writes a `Log` and prints nothing.
"""

import argparse
import asyncio
import contextlib
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httptools
import uvloop

from tests.benchmarks.proxy.exchange import CHAT, answer_body, answer_frames, request_body

OPEN, ACKNOWLEDGED, FAILED, WRONG = 0, 1, 2, 3
"""How a call stands: no end yet; the whole right answer; no answer or a refusal; another answer."""
_TICK = 0.001
_GRACE = 30.0
"""Seconds after the last call was due until those still open count as failed."""

Done = Callable[[int, bytes, float], None]
"""Status (0: the connection broke), body, and when."""


@dataclass(slots=True)
class Log:
    """What became of calls 0, 1, …: `due` and `ended` are monotonic seconds of this machine."""

    due: "array[float]" = field(default_factory=lambda: array("d"))
    ended: "array[float]" = field(default_factory=lambda: array("d"))
    outcome: "array[int]" = field(default_factory=lambda: array("b"))

    def plan(self, due: float) -> int:
        """Enter one more call; its number."""
        self.due.append(due)
        self.ended.append(0.0)
        self.outcome.append(OPEN)
        return len(self.due) - 1

    def end(self, number: int, *, outcome: int, at: float) -> None:
        self.outcome[number] = outcome
        self.ended[number] = at

    def numbers(self, outcome: int) -> list[int]:
        return [number for number, each in enumerate(self.outcome) if each == outcome]

    def latencies_ms(
        self, *, of: Callable[[int], bool], besides: Sequence[tuple[float, float]] = ()
    ) -> list[float]:
        """Sorted, of the acknowledged ones among these numbers that were due outside these windows."""
        return sorted(
            (self.ended[number] - due) * 1000
            for number, due in enumerate(self.due)
            if self.outcome[number] == ACKNOWLEDGED
            and of(number)
            and not any(since <= due < until for since, until in besides)
        )

    def write(self, path: Path) -> None:
        with path.open("wb") as file:
            file.write(b"%d\n" % len(self.due))
            for column in (self.due, self.ended, self.outcome):
                column.tofile(file)

    @classmethod
    def read(cls, path: Path) -> "Log":
        log = cls()
        with path.open("rb") as file:
            count = int(file.readline())
            for column in (log.due, log.ended, log.outcome):
                column.fromfile(file, count)
        return log


@dataclass(frozen=True, slots=True)
class Address:
    """Where calls go and the head they carry."""

    host: str
    port: int
    path: str = CHAT
    headers: tuple[str, ...] = ()

    @classmethod
    def of(cls, url: str, *, path: str = CHAT, headers: tuple[str, ...] = ()) -> "Address":
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or 80, path, headers)

    def request(self, body: bytes, *, more: str = "") -> bytes:
        lines = "".join(f"{header}\r\n" for header in self.headers)
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\n{lines}{more}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Client(asyncio.Protocol):
    """One connection; `done` is called once a call."""

    def __init__(self) -> None:
        self._done: Done | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self.is_closed = False

    def send(self, request: bytes, *, done: Done) -> None:
        self._done = done
        self._transport.write(request)

    def close(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._finish(0)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_begin(self) -> None:
        self._body = []

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.is_closed = True
            self._transport.close()
        self._finish(self._parser.get_status_code())

    def _finish(self, status: int) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(status, b"".join(self._body), time.monotonic())


@dataclass(frozen=True, slots=True)
class Rate:
    """A closed-loop round: calls a second, sorted latencies in ms, and how many answers were not the mock's
    bytes (a gateway that writes answers anew) or no answer at all."""

    rate: float
    latencies_ms: list[float]
    n_rewritten: int
    n_failed: int


async def closed_loop(address: Address, *, clients: int, seconds: float, first_number: int = 0) -> Rate:
    """Keep `clients` connections busy; what was under way at the end is not counted."""
    latencies: list[float] = []
    found = {"rewritten": 0, "failed": 0}
    number = first_number
    until = time.monotonic() + seconds
    over: list[asyncio.Future[None]] = []
    loop = asyncio.get_running_loop()

    async def client() -> None:
        _, connection = await loop.create_connection(Client, address.host, address.port)
        over.append(finished := loop.create_future())

        def following() -> None:
            nonlocal number
            number += 1
            mine, began = number, time.monotonic()
            if began >= until or connection.is_closed:
                connection.close()
                finished.set_result(None)
                return

            def done(status: int, body: bytes, at: float) -> None:
                if status == 200:
                    latencies.append((at - began) * 1000)
                    found["rewritten"] += body != answer_body(mine)
                else:
                    found["failed"] += 1
                following()

            connection.send(address.request(request_body(mine)), done=done)

        following()

    began = time.monotonic()
    await asyncio.gather(*(client() for _ in range(clients)))
    await asyncio.wait(over, timeout=seconds + _GRACE)
    return Rate(
        rate=len(latencies) / (time.monotonic() - began),
        latencies_ms=sorted(latencies),
        n_rewritten=found["rewritten"],
        n_failed=found["failed"],
    )


def is_streamed(number: int, *, share: float) -> bool:
    """Which calls are streams: evenly spread, and known to whoever reads a log."""
    return share > 0 and number % round(1 / share) == 0


class OpenLoop:
    """Calls at a fixed rate. `streams` is the share that is streamed, with `words` frames each."""

    def __init__(self, address: Address, *, rate: float, streams: float = 0.0, words: int = 10) -> None:
        self.log = Log()
        self._address = address
        self._rate = rate
        self._streams = streams
        self._words = words
        self._idle: list[Client] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._n_open = 0

    async def run(self, seconds: float) -> Log:
        """Send `rate * seconds` calls on time and wait for their ends."""
        began = time.monotonic() + 0.05
        total = int(self._rate * seconds)
        while len(self.log.due) < total:
            now = time.monotonic()
            while len(self.log.due) < total and (due := began + len(self.log.due) / self._rate) <= now:
                self._call(self.log.plan(due))
            await asyncio.sleep(_TICK)
        deadline = time.monotonic() + _GRACE
        while self._n_open and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for connection in self._idle:
            connection.close()
        for number in self.log.numbers(OPEN):
            self.log.end(number, outcome=FAILED, at=deadline)
        return self.log

    def _call(self, number: int) -> None:
        self._n_open += 1
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed:
                self._send(connection, number)
                return
        task = asyncio.ensure_future(self._connect(number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(Client, self._address.host, self._address.port)
        except OSError:
            self._end(number, outcome=FAILED, at=time.monotonic())
        else:
            self._send(connection, number)

    def _send(self, connection: Client, number: int) -> None:
        streamed = is_streamed(number, share=self._streams)

        def done(status: int, body: bytes, at: float) -> None:
            if status == 200:
                right = (
                    b"".join(answer_frames(number, words=self._words)) if streamed else answer_body(number)
                )
                self._end(number, outcome=ACKNOWLEDGED if body == right else WRONG, at=at)
            else:
                self._end(number, outcome=FAILED, at=at)
            if not connection.is_closed:
                self._idle.append(connection)

        request = request_body(number, is_streamed=streamed)
        more = f"x-lqo-session: {number}\r\nx-lqo-project: bench\r\n"
        connection.send(self._address.request(request, more=more), done=done)

    def _end(self, number: int, *, outcome: int, at: float) -> None:
        self._n_open -= 1
        self.log.end(number, outcome=outcome, at=at)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of sorted values; 0 for none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--streams", type=float, default=0.0, help="share of calls that are streamed")
    parser.add_argument("--words", type=int, default=10, help="frames a stream, as the mock was told")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    load = OpenLoop(Address.of(options.url), rate=options.rate, streams=options.streams, words=options.words)
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(load.run(options.seconds))
    load.log.write(options.out)


if __name__ == "__main__":
    main()
