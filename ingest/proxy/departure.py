"""What our server knows of a request's client beyond ASGI: that all has come of it, and that it has left.

Writing to one that has gone does not fail.
"""

from collections.abc import Callable
from typing import Protocol

EXTENSION = "lqo.departure"
"""Where our server puts the Departure of a request in its ASGI scope, under `extensions`."""


class Flow(Protocol):
    """The reading side of a connection."""

    def resume_reading(self) -> None: ...


class Departure:
    """Of one request's client. ASGI's own way is a task a call that waits in `receive`.

    `has_sent_all`: the whole request is here.
    """

    __slots__ = ("_flow", "_is_gone", "_then", "has_sent_all")

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self.has_sent_all = False
        self._is_gone = False
        self._then: Callable[[], None] | None = None

    def watch(self, then: Callable[[], None]) -> None:
        """Call `then` once the connection is closed; at once where it is."""
        # A connection that is not read does not say that it was closed.
        self._flow.resume_reading()
        self._then = then
        if self._is_gone:
            then()

    def forget(self) -> None:
        """Nobody wants to know any more."""
        self._then = None

    def tell(self) -> None:
        """The connection is closed."""
        self._is_gone = True
        if self._then is not None:
            self._then()
