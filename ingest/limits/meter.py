"""Where limits and budgets are counted: in this process, or together with other proxies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.limits.gcra import Buckets, Denied, Draw, Level
from ingest.limits.ledger import Ledger, Overdrawn, Spend


@dataclass(frozen=True, slots=True)
class Taken:
    """What one call was given. `epoch` and `number` name its grant (None: nothing to settle but tokens).

    `is_shared` tells that Redis counted it.
    """

    draws: tuple[Draw, ...]
    spends: tuple[Spend, ...]
    levels: tuple[Level, ...]
    epoch: str
    number: int | None = None
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Nobody can say what is left; `message` is one line."""

    message: str


class Meter(Protocol):
    async def take(
        self, draws: Sequence[Draw], spends: Sequence[Spend]
    ) -> Taken | Denied | Overdrawn | Unreachable:
        """All of it, or nothing of it and why."""
        ...

    def settle(self, taken: Taken, *, tokens: int | None, amount: int) -> None:
        """The call is over: tokens it used (None: as foreseen) and pico-USD it cost. Never blocks."""
        ...


class LocalMeter:
    """Counts in this process; what it knows of money survives by the journal."""

    def __init__(self, ledger: Ledger, *, buckets: Buckets | None = None) -> None:
        self.ledger = ledger
        self.buckets = Buckets() if buckets is None else buckets

    async def take(self, draws: Sequence[Draw], spends: Sequence[Spend]) -> Taken | Denied | Overdrawn:
        return self.take_now(draws, spends)

    def take_now(self, draws: Sequence[Draw], spends: Sequence[Spend]) -> Taken | Denied | Overdrawn:
        number = self.ledger.reserve(spends) if spends else None
        if isinstance(number, Overdrawn):
            return number
        levels = self.buckets.take(draws)
        if isinstance(levels, Denied):
            if number is not None:
                self.ledger.settle(number, amount=0)
            return levels
        return Taken(tuple(draws), tuple(spends), levels, self.ledger.epoch, number)

    def settle(self, taken: Taken, *, tokens: int | None, amount: int) -> None:
        if tokens is not None:
            for draw in taken.draws:
                if draw.kind == "tokens":
                    self.buckets.correct(draw, used=tokens)
        if taken.number is not None:
            self.ledger.settle(taken.number, amount=amount)
