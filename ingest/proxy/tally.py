"""Counts taken on the event loop and handed to prometheus_client in one go."""

from prometheus_client import Counter


class Tally:
    """Adds up by counter and labels until `flush`.

    The library's counters take a lock for each addition and another to find a label's: a dozen a call, and
    as much as the whole spool. They are brought up to date before every page and four times a second.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[Counter, tuple[str, ...]], float] = {}

    def add(self, counter: Counter, *labels: str, by: float = 1.0) -> None:
        key = counter, labels
        self._sums[key] = self._sums.get(key, 0.0) + by

    def flush(self) -> None:
        """Hand over what has come since the last time."""
        sums, self._sums = self._sums, {}
        for (counter, labels), by in sums.items():
            counter.labels(*labels).inc(by)
