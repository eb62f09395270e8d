"""The provider of the benchmarks, with a ledger of its own: every request it was asked is billed.

    python -m tests.benchmarks.proxy.mock [--delay SECONDS] [--words N] [--pace SECONDS]

A bare asyncio protocol, so that it takes little of the core that it shares with the load. Prints its URL.
`GET /ledger` gives a line for each call in the order of asking: number, prompt, cached and completion tokens.
"""

import argparse
import asyncio
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httptools
import uvloop

from tests.benchmarks.proxy.exchange import (
    DONE,
    FLOOD,
    SERVED_MODEL,
    STAMPED,
    answer_body,
    answer_frames,
    number_in,
    tokens_of,
)

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
_FLOOD_FRAME = b'data: {"choices": [{"index": 0, "delta": {"content": "%s"}}]}\n\n' % (b"z" * 1000)
_STAMPED_FRAME = (
    b'data: {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": %d, "model": "'
    + SERVED_MODEL.encode()
    + b'", "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": null}]}\n\n'
)
_MODELS = b'{"object": "list", "data": [{"id": "gpt-4o-mini", "object": "model"}]}'


@dataclass(slots=True)
class Provider:
    """`delay` seconds before an answer; `words` frames a stream, `pace` seconds apart."""

    delay: float = 0.0
    words: int = 10
    pace: float = 0.02
    asked: "array[int]" = field(default_factory=lambda: array("q"))

    def ledger(self) -> bytes:
        lines = (b"%d\t%d\t%d\t%d\n" % (number, *tokens_of(number)) for number in self.asked)
        return b"".join(lines)


class Connection(asyncio.Protocol):
    """One connection; one request at a time, as clients with a pool send them."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_blocked = False
        self._is_flooding = False
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_flooding = False
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        self._is_blocked = True

    def resume_writing(self) -> None:
        self._is_blocked = False
        if self._is_flooding:
            self._loop.call_soon(self._flood)

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        if self._parser.get_method() != b"POST":
            self._page()
            return
        body = self._body
        number = number_in(body)
        if number >= 0:
            self._provider.asked.append(number)
        answer = self._answer_to(body, number=number)
        if self._provider.delay:
            self._timer = self._loop.call_later(self._provider.delay, answer)
        else:
            answer()

    def _page(self) -> None:
        page = self._provider.ledger() if self._url.startswith(b"/ledger") else _MODELS
        self._transport.write(_HEAD % len(page) + page)

    def _answer_to(self, body: bytes, *, number: int) -> Callable[[], None]:
        if STAMPED.encode() in body:
            return lambda: self._stream(_stamped(self._provider.words))
        if FLOOD.encode() in body:
            return self._start_flood
        if b'"stream":true' in body or b'"stream": true' in body:
            return lambda: self._stream(iter(answer_frames(number, words=self._provider.words)))
        answer = answer_body(number)
        return lambda: self._transport.write(_HEAD % len(answer) + answer)

    def _stream(self, frames: Iterator[bytes]) -> None:
        self._transport.write(_STREAM_HEAD)
        self._next(frames, due=self._loop.time())

    def _next(self, frames: Iterator[bytes], *, due: float) -> None:
        frame = next(frames, None)
        if frame is None:
            self._transport.write(b"0\r\n\r\n")
            return
        self._transport.write(b"%x\r\n%s\r\n" % (len(frame), frame))
        if frame == DONE:
            self._next(frames, due=due)
            return
        due += self._provider.pace
        self._timer = self._loop.call_at(due, lambda: self._next(frames, due=due))

    def _start_flood(self) -> None:
        self._transport.write(_STREAM_HEAD)
        self._is_flooding = True
        self._flood()

    def _flood(self) -> None:
        """Write on, between the frames of others, until the other side does not take more."""
        if self._is_flooding and not self._is_blocked and not self._transport.is_closing():
            self._transport.write(b"%x\r\n%s\r\n" % (len(_FLOOD_FRAME), _FLOOD_FRAME))
            self._loop.call_soon(self._flood)


def _stamped(words: int) -> Iterator[bytes]:
    for _ in range(words):
        yield _STAMPED_FRAME % time.monotonic_ns()
    yield DONE


async def serve(provider: Provider) -> None:
    """Serve on a free port of 127.0.0.1 and print the URL."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before an answer")
    parser.add_argument("--words", type=int, default=10, help="frames a stream")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between frames")
    options = parser.parse_args()
    uvloop.run(serve(Provider(delay=options.delay, words=options.words, pace=options.pace)))


if __name__ == "__main__":
    main()
