"""Rate limits inside one process: the generic cell rate algorithm on the monotonic clock.

A limit of n a minute is a bucket of n that refills evenly over a minute, as OpenAI's and Anthropic's own
limits do (ITU-T I.371, virtual scheduling). All there is to keep of it is the time at which it is full again.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

MINUTE_NS = 60_000_000_000
DEBT_NS = 10 * MINUTE_NS
"""A call that used more than was foreseen is paid for by waiting, but never for longer than this."""
MOST_BUCKETS = 200_000

Kind = Literal["requests", "tokens"]


class Draw(msgspec.Struct, frozen=True, gc=False):
    """What one call takes out of one bucket: `units` of at most `limit` a minute.

    `bucket` is the bucket's name, `scope` whose it is: key, user, ip or project.
    """

    bucket: str
    scope: str
    kind: Kind
    limit: int
    units: int

    @property
    def cost_ns(self) -> int:
        """The time it takes to refill what is drawn; a draw above the limit takes the whole bucket."""
        return min(self.units, self.limit) * MINUTE_NS // self.limit


class Level(msgspec.Struct, frozen=True, gc=False):
    """A bucket after a draw: what is left, and after how long it would be full again."""

    kind: Kind
    limit: int
    remaining: int
    full_after_ns: int


class Denied(msgspec.Struct, frozen=True, gc=False):
    """Which draw was too much, and how long to wait until it is not."""

    draw: Draw
    wait_ns: int


class Buckets:
    """Buckets by name. The longest untouched ones are forgotten past `capacity`: they are full by then,
    unless more than `capacity` callers came within a minute."""

    def __init__(
        self, *, clock_ns: Callable[[], int] = time.monotonic_ns, capacity: int = MOST_BUCKETS
    ) -> None:
        self._clock_ns = clock_ns
        self._capacity = capacity
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, draws: Sequence[Draw]) -> tuple[Level, ...] | Denied:
        """Take all draws, or none of them and the one that has to wait longest."""
        now = self._clock_ns()
        times = [max(self._full_at.get(draw.bucket, 0), now) + draw.cost_ns for draw in draws]
        waits = [full_at - MINUTE_NS - now for full_at in times]
        if waits and (longest := max(waits)) > 0:
            return Denied(draws[waits.index(longest)], longest)
        for draw, full_at in zip(draws, times, strict=True):
            self._keep(draw.bucket, full_at)
        return tuple(level(draw, full_at - now) for draw, full_at in zip(draws, times, strict=True))

    def correct(self, draw: Draw, *, used: int) -> None:
        """The call is over and used this many units instead of those drawn."""
        now = self._clock_ns()
        owed = corrected_ns(draw, used=used)
        full_at = max(self._full_at.get(draw.bucket, 0), now if owed > 0 else 0) + owed
        self._keep(draw.bucket, min(full_at, now + DEBT_NS))

    def _keep(self, bucket: str, full_at: int) -> None:
        self._full_at[bucket] = full_at
        self._full_at.move_to_end(bucket)
        if len(self._full_at) > self._capacity:
            self._full_at.popitem(last=False)


def level(draw: Draw, full_after_ns: int) -> Level:
    """The bucket of `draw` when it is full again after that time."""
    left = max(MINUTE_NS - full_after_ns, 0) * draw.limit // MINUTE_NS
    return Level(draw.kind, draw.limit, left, max(full_after_ns, 0))


def corrected_ns(draw: Draw, *, used: int) -> int:
    """What to add to the time at which the bucket is full, once the real use is known."""
    return max(used, 0) * MINUTE_NS // draw.limit - draw.cost_ns
