"""Long work in a thread, without holding up the event loop."""

import time
from collections.abc import Iterable, Iterator

BREATH_SECONDS = 50e-6
"""The loop waits up to 5 ms for the interpreter's lock, unless a thread gives it away between items."""
_BREATH_BYTES = 64 << 10
"""About a millisecond of reading."""


def breathing(items: Iterable[bytes]) -> Iterator[bytes]:
    """The items, with a pause after each 64 KB of them."""
    size = 0
    for item in items:
        yield item
        size += len(item) + 100
        if size >= _BREATH_BYTES:
            size = 0
            time.sleep(BREATH_SECONDS)
