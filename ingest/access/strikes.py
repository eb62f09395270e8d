"""Addresses that knock with wrong keys: remembered for a minute, and then answered more cheaply.

This is the proxy's negative cache. It remembers who knocks and not which wrong keys were tried: of those
there are endlessly many, and looking one up costs no more than a right one.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

WINDOW_SECONDS = 60.0
MOST_STRIKES = 100
MOST_ADDRESSES = 10_000


class Strikes:
    """Wrong keys an address a minute; the addresses that were quiet longest are forgotten past the bound."""

    def __init__(
        self,
        *,
        most: int = MOST_STRIKES,
        addresses: int = MOST_ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._addresses = addresses
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def strike(self, address: str) -> int:
        """Count a wrong key; the seconds this address has to wait, 0 while it has not had too many."""
        now = self._clock()
        since, count = self._seen.get(address, (now, 0))
        if now - since >= WINDOW_SECONDS:
            since, count = now, 0
        self._seen[address] = since, count + 1
        self._seen.move_to_end(address)
        if len(self._seen) > self._addresses:
            self._seen.popitem(last=False)
        return 0 if count < self._most else max(int(since + WINDOW_SECONDS - now) + 1, 1)
