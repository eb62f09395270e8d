"""When to leave a target alone: a circuit breaker each, and one bound on all retries of a proxy."""

import random
from collections.abc import Callable
from typing import Literal

from ingest.access.window import Window

WINDOW_SECONDS = 30.0
FEWEST_REQUESTS = 10
FAILURE_SHARE = 0.5
FIRST_OPEN_SECONDS = 5.0
LONGEST_OPEN_SECONDS = 60.0
LEASE_SECONDS = 60.0
"""A probe that nobody reports on within this time is taken for lost, and another may go."""
RETRY_SHARE = 0.1
FEWEST_RETRIES = 10
"""Retries in any 30 s that need no tenth: below 10 requests a window no breaker opens, so that a quiet
service would otherwise be refused its fallback."""

State = Literal["closed", "open", "half_open"]


class Breaker:
    """Opens at 10 or more requests of which half failed within 30 s, or where the target says Retry-After.

    It stays open for 5 s, doubled each time it opens again without a success between, up to 60 s, or for as
    long as Retry-After says; then one probe decides. `now` is time.monotonic().
    """

    __slots__ = ("_failed", "_jitter", "_open_until", "_openings", "_probe_until", "_requests")

    def __init__(self, *, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._jitter = jitter
        self._requests = Window(WINDOW_SECONDS)
        self._failed = Window(WINDOW_SECONDS)
        self._open_until: float | None = None
        self._probe_until: float | None = None
        self._openings = 0

    def state(self, *, now: float) -> State:
        if self._open_until is None:
            return "closed"
        return "open" if now < self._open_until else "half_open"

    def allows(self, *, now: float) -> bool:
        """Whether a call may go: closed, or half open with no probe under way."""
        state = self.state(now=now)
        return state == "closed" or (state == "half_open" and not self._is_probing(now))

    def reopens_in(self, *, now: float) -> float:
        """Seconds until the next probe may go; 0 where a call may go now."""
        return max((self._open_until or 0.0) - now, (self._probe_until or 0.0) - now, 0.0)

    def begin(self, *, now: float) -> bool:
        """A call goes to the target. Whether it is a trial: one sent while the breaker is not closed."""
        state = self.state(now=now)
        if state == "half_open":
            self._probe_until = now + LEASE_SECONDS
        return state != "closed"

    def succeed(self, *, now: float, is_trial: bool) -> None:
        """The target answered; only what was sent since the breaker opened can close it."""
        self._requests.add(1, now=now)
        if is_trial:
            self._open_until = self._probe_until = None
            self._openings = 0
            self._requests.clear()
            self._failed.clear()

    def fail(
        self, *, now: float, is_trial: bool, retry_after: float | None = None, may_open: bool = True
    ) -> None:
        """The target failed, and asks to be left alone for `retry_after` seconds if it says so.

        Without `may_open` a closed breaker stays closed: there is nowhere else to go.
        """
        self._requests.add(1, now=now)
        self._failed.add(1, now=now)
        state = self.state(now=now)
        if state == "open":
            self._open_until = max(self._open_until or 0.0, now + (retry_after or 0.0))
        elif state == "half_open":
            if is_trial:
                self._open(now, retry_after)
        elif may_open and (retry_after or self._fails(now)):
            self._open(now, retry_after)

    def forget(self) -> None:
        """Nobody waited for the answer: a probe says nothing, and another may go."""
        self._probe_until = None

    def _open(self, now: float, retry_after: float | None) -> None:
        seconds = min(FIRST_OPEN_SECONDS * 2 ** min(self._openings, 10), LONGEST_OPEN_SECONDS)
        self._openings += 1
        self._probe_until = None
        self._open_until = now + (retry_after or seconds * self._jitter(0.8, 1.2))

    def _fails(self, now: float) -> bool:
        requests = self._requests.total(now=now)
        return requests >= FEWEST_REQUESTS and self._failed.total(now=now) >= FAILURE_SHARE * requests

    def _is_probing(self, now: float) -> bool:
        return self._probe_until is not None and now < self._probe_until


class RetryBudget:
    """Of the calls of the last 30 s, at most a tenth may be asked of a second target, and ten in any case."""

    __slots__ = ("_calls", "_retries")

    def __init__(self) -> None:
        self._calls = Window(WINDOW_SECONDS)
        self._retries = Window(WINDOW_SECONDS)

    def called(self, *, now: float) -> None:
        self._calls.add(1, now=now)

    def take(self, *, now: float) -> bool:
        """Whether one more retry may be made; it then counts."""
        most = max(RETRY_SHARE * self._calls.total(now=now), FEWEST_RETRIES)
        if self._retries.total(now=now) + 1 > most:
            return False
        self._retries.add(1, now=now)
        return True
