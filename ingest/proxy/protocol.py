"""uvicorn's HTTP protocol, made strict: ambiguous, endless and stalled connections end in the protocol."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ingest.proxy.departure import EXTENSION, Departure
from ingest.proxy.heads import (
    END_OF_HEAD,
    HEAD_BYTES,
    Fault,
    fault_of_headers,
    fault_of_line,
    fault_of_part,
    without_upgrade,
)

_LINGER_SECONDS = 1.0
"""How long what still arrives is read and dropped: closing at once would reset our refusal away."""
_MOST_LINGERING = 256
_MOST_TRAILERS = 32
_FRAMING_BYTES = 64 << 10
_FRAMING_RATIO = 8
"""Chunk sizes, extensions and trailers may weigh this many times the body (1-byte chunks weigh 5)."""
_MALFORMED = Fault(400, "malformed", "this is not HTTP as RFC 9112 has it")


@dataclass(frozen=True, slots=True)
class Patience:
    """What a connection may take before it is closed: seconds, and how many of them there may be.

    `head_seconds` from the first byte of a request (or the connection) to the end of its head.
    `write_seconds` may pass while a client takes none of 48 KB that wait for it.
    """

    head_seconds: float = 10.0
    write_seconds: float = 60.0
    connections: int = 10_000


@dataclass(slots=True)
class Refused:
    """Plain counters since start. The reasons of `requests` are bounded; `tell` gets each as `http_…`."""

    requests: Counter[str] = field(default_factory=Counter[str])
    tell: Callable[[str], None] = lambda reason: None

    def count(self, reason: str) -> None:
        self.requests[reason] += 1
        self.tell(f"http_{reason}")


class _Stop(Exception):  # noqa: N818
    """Leaves the parser; what it was about stands in `GuardedProtocol._fault`."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Takes one request at a time: a pipelined one is dropped, and the connection closes
    after the running answer, as RFC 9112 (9.3.2) has clients expect.

    A half-closed connection counts as closed: nothing tells it from a client that went away.
    """

    patience = Patience()
    refused = Refused()
    _timer: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _part: bytearray | None = None
    _fault: Fault | None = None
    _is_between = True
    _departure: Departure | None = None
    _is_checked = False
    _has_head = False
    _is_over = False
    _wire_bytes = 0
    _body_bytes = 0
    _trailers = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        excess = len(self.connections) - self.patience.connections
        if excess > 0:
            self._refuse(Fault(503, "connections", "too many connections"), lingers=excess < _MOST_LINGERING)
        else:
            self._arm(self.patience.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)
        self._tell_departure()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._unset_keepalive_if_required()
        if self._is_between:
            ready = self._next_head(data)
            if ready is None:
                return
            data = ready
        self._wire_bytes += len(data)
        try:
            self._reading().feed_data(data)
        except httptools.HttpParserError:
            self._refuse(self._fault or _MALFORMED)
        except httptools.HttpParserUpgrade:
            self._refuse(_MALFORMED)
        else:
            allowed = HEAD_BYTES + _FRAMING_BYTES + _FRAMING_RATIO * self._body_bytes
            if self._wire_bytes - self._body_bytes > allowed:
                self._refuse(Fault(400, "framing", "more framing than body"))

    def _next_head(self, data: bytes) -> bytes | None:
        """The bytes to parse once a whole head is there; None while it is not, or is refused."""
        if self._is_busy():
            self._drop_pipelined()
            return None
        if self._timer is None:
            self._arm(self.patience.head_seconds)
        since = 0
        if self._part is None:
            # One empty line before a request is to be ignored (RFC 9112, 2.2).
            data = data.removeprefix(b"\r\n")
        else:
            since = max(0, len(self._part) - len(END_OF_HEAD))
            self._part += data
        so_far = self._part or data
        end = so_far.find(END_OF_HEAD, since)
        if end < 0:
            self._wait_for_more(so_far, since=since)
            return None
        end += len(END_OF_HEAD)
        head = bytes(so_far[:end])
        fault = fault_of_part(head, since=end) or fault_of_line(head)
        if fault is not None:
            self._refuse(fault)
            return None
        self._part, self._is_checked, self._wire_bytes = None, True, 0
        return without_upgrade(bytes(so_far), head=head)

    def _wait_for_more(self, data: bytes | bytearray, *, since: int) -> None:
        if (fault := fault_of_part(data, since=since)) is not None:
            self._refuse(fault)
        elif self._part is None:
            self._part = bytearray(data)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if not self._is_checked or self._is_busy():
            self._drop_pipelined()
            raise _Stop
        self._is_between = self._is_checked = self._has_head = False
        self._body_bytes = self._trailers = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:
            super().on_header(name, value)
            return
        # A trailer is dropped: among the headers it would speak after they were checked.
        self._trailers += 1
        if self._trailers > _MOST_TRAILERS:
            self._stop(Fault(431, "trailers", f"more than {_MOST_TRAILERS} trailers"))

    def on_headers_complete(self) -> None:
        self._disarm()
        self._has_head = True
        version = self._reading().get_http_version()
        if (fault := fault_of_headers(self.headers, version=version)) is not None:
            self._stop(fault)
        self._departure = Departure(self.flow)
        scope: Any = self.scope
        scope["extensions"] = {EXTENSION: self._departure}
        super().on_headers_complete()
        if version == "1.0":
            self.cycle.waiting_for_100_continue = False

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_between = True
        if self._departure is not None:
            self._departure.has_sent_all = True
        super().on_message_complete()
        if self.cycle.response_complete and not self._is_over:
            self._disarm()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_between and not self.transport.is_closing():
            # Answered before its end came, as a refused call is: the rest is read, but not for ever.
            self._arm(self.patience.head_seconds)

    # A client that does not read what we write.

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.patience.write_seconds, self._abort_stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _abort_stalled(self) -> None:
        self._stall = None
        self.refused.count("stalled_reader")
        self.transport.abort()

    # Ends.

    def _reading(self) -> httptools.HttpRequestParser:
        parser: Any = self.parser
        return parser

    def _is_busy(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _tell_departure(self) -> None:
        if self._departure is not None:
            self._departure.tell()

    def _stop(self, fault: Fault) -> None:
        self._fault = fault
        raise _Stop

    def _drop_pipelined(self) -> None:
        self._is_over = True
        self.refused.count("pipelined")
        if self._is_busy():
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _refuse(self, fault: Fault, *, lingers: bool = True) -> None:
        """Answer, if the connection still waits for an answer, and close it."""
        if self._is_over:
            return
        self._is_over = True
        self._disarm()
        self.refused.count(fault.reason)
        if self._is_busy():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._tell_departure()
            if self.cycle.response_started:
                self.transport.close()
                return
        self.transport.write(_answer(fault))
        if not lingers:
            self.transport.close()
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._arm(_LINGER_SECONDS)

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._close_late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_late(self) -> None:
        self._timer = None
        if not self._is_over:
            self.refused.count("slow_head")
        if not self.transport.is_closing():
            self.transport.close()


def guarded(patience: Patience, *, refused: Refused) -> type[asyncio.Protocol]:
    """The protocol class of one server."""
    return type("Guarded", (GuardedProtocol,), {"patience": patience, "refused": refused})


def _answer(fault: Fault) -> bytes:
    body = fault.message.encode()
    head = [
        STATUS_LINE[fault.status].rstrip(),
        b"content-type: text/plain; charset=utf-8",
        b"content-length: %d" % len(body),
        b"connection: close",
    ]
    if fault.status == 503:
        head.append(b"retry-after: 1")
    return b"\r\n".join((*head, b"", body))
