"""Whether one more call may come in: the proxy is not stopping, not full, and its loop keeps time."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from ingest.proxy.http import BodyRefusedError
from ingest.proxy.ports import Refusal
from ingest.proxy.protocol import Refused

_TICK = 0.1
_RETRY = ((b"retry-after", b"1"),)


class TooMuchHeldError(BodyRefusedError):
    """The bodies of running calls fill the memory they may take."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What runs at once: calls, bytes of their bodies, seconds the event loop may be late."""

    calls: int = 4_000
    held_bytes: int = 1 << 30
    lag_seconds: float = 2.0


@dataclass(slots=True)
class Holding:
    """What one call takes of the gate while it is inside; `is_unread` while a refused body still comes."""

    gate: "Gate"
    held_bytes: int = 0
    is_unread: bool = False

    def __enter__(self) -> "Holding":
        self.gate.calls += 1
        return self

    def __exit__(self, *error: object) -> None:
        self.gate.calls -= 1
        self.gate.held_bytes -= self.held_bytes

    def take(self, size: int) -> None:
        """`size` more bytes of body are in memory. Raises TooMuchHeldError."""
        if not self.takes(size):
            self.gate.refused["held_bytes"] += 1
            raise TooMuchHeldError

    def takes(self, size: int) -> bool:
        """Whether there is room for `size` more bytes; if so, they are in memory now."""
        gate = self.gate
        if gate.held_bytes + size > gate.capacity.held_bytes:
            return False
        gate.held_bytes += size
        self.held_bytes += size
        return True


@dataclass(slots=True)
class Gate:
    """Counts what is inside. A call it refuses is counted in `refused` by its bounded reason, and no row.

    `wire` counts what never came as far as a call.
    """

    capacity: Capacity = field(default_factory=Capacity)
    is_draining: bool = False
    calls: int = 0
    held_bytes: int = 0
    lag_seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter[str])
    wire: Refused = field(default_factory=Refused)
    _due: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    def refusal(self) -> Refusal | None:
        """Why no call may come in now. Calls inside are never touched; draining ones come in still."""
        if self.calls >= self.capacity.calls:
            return self._refuse("calls", f"{self.calls} calls are running already")
        if self.lag_seconds > self.capacity.lag_seconds:
            return self._refuse("lag", "the proxy is overloaded")
        return None

    def inside(self) -> Holding:
        """One call more, until the block that it is entered by ends."""
        return Holding(self)

    def start_watching(self) -> None:
        """Measure from now on how late the running loop is."""
        self._due = asyncio.get_running_loop().time() + _TICK
        self._timer = asyncio.get_running_loop().call_at(self._due, self._tick)

    def stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.lag_seconds = max(0.0, asyncio.get_running_loop().time() - self._due)
        self.start_watching()

    def _refuse(self, reason: str, message: str) -> Refusal:
        self.refused[reason] += 1
        return Refusal(503, "overloaded", f"{message}; try again in a second", _RETRY)
