"""Counts of the last seconds, on the monotonic clock: a ring of slots, each a slice of the window."""

_SLOTS = 30


class Window:
    """A rolling sum over `seconds`, true to a thirtieth of it. `now` is time.monotonic()."""

    __slots__ = ("_counts", "_slot", "_slot_seconds", "_total")

    def __init__(self, seconds: float) -> None:
        self._slot_seconds = seconds / _SLOTS
        self._counts = [0] * _SLOTS
        self._slot = 0
        self._total = 0

    def add(self, count: int, *, now: float) -> None:
        self._turn(now)
        self._counts[self._slot % _SLOTS] += count
        self._total += count

    def total(self, *, now: float) -> int:
        self._turn(now)
        return self._total

    def clear(self) -> None:
        self._counts = [0] * _SLOTS
        self._total = 0

    def _turn(self, now: float) -> None:
        """Empty the slots that have left the window since the last look."""
        slot = int(now / self._slot_seconds)
        for passed in range(min(slot - self._slot, _SLOTS)):
            at = (slot - passed) % _SLOTS
            self._total -= self._counts[at]
            self._counts[at] = 0
        self._slot = max(slot, self._slot)
