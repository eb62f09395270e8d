"""Limits and budgets that several proxies share through Redis.

A call waits for Redis at most `timeout_seconds`, and after a failure no call waits until a probe beside the
calls has been answered. What a call owes is told to Redis behind its back.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import msgspec

from ingest.limits.gcra import Denied, Draw, corrected_ns, level
from ingest.limits.ledger import Overdrawn, Spend
from ingest.limits.meter import LocalMeter, Taken, Unreachable
from ingest.limits.scripts import OWE, SETTLE, TAKE

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

WhenDown = Literal["refuse", "local"]

TIMEOUT_SECONDS = 0.25
_PROBE_SECONDS = 0.5
_MOST_PENDING = 100_000
_BATCH = 200
_GRACE_SECONDS = 2 * 86_400
_CLOSE_SECONDS = 2.0
_CONNECTIONS = 32
DOWN = "the shared limits cannot be reached; try again in a moment"


class Settlement(msgspec.Struct, frozen=True):
    """What to add to the buckets (µs) and accounts (nano-USD) of a grant."""

    keys: tuple[str, ...]
    arguments: tuple[str, ...]


class SharedMeter:
    """Counts in Redis. While it is down, limited callers are refused, or counted by `local` alone.

    `local` keeps to what Redis last said of each budget, and what it then spends is told to Redis later.
    """

    def __init__(
        self,
        url: str,
        *,
        local: LocalMeter,
        when_down: WhenDown = "refuse",
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Raises ValueError for a URL that is none, ModuleNotFoundError without the extra `redis`."""
        self._redis = _client(url, timeout_seconds=timeout_seconds)
        self._take = self._redis.register_script(TAKE)
        self._settle = self._redis.register_script(SETTLE)
        self._owe = self._redis.register_script(OWE)
        self._local = local
        self._when_down: WhenDown = when_down
        self._timeout = timeout_seconds
        self._epoch = f"shared-{uuid4().hex}"
        self._next = 0
        self._pending: deque[Settlement] = deque(maxlen=_MOST_PENDING)
        self._owed: dict[str, tuple[int, int]] = {}
        self._owing: list[Settlement] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_down = False
        self.failures = 0

    async def start(self) -> None:
        """Ask Redis once, and begin to settle. A Redis that is down is no reason not to start."""
        if not await self._probe():
            self._went_down(ConnectionError("no answer"))
        self._task = asyncio.create_task(self._run(), name="lqo shared limits")

    async def close(self) -> None:
        """Tell Redis what it has not heard yet, within two seconds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while not self.is_down and self._has_news:
                    await self._flush()
        if self._has_news:
            logger.error("%d calls stay reserved in Redis as it is down", len(self._pending))
        with contextlib.suppress(Exception):
            await self._redis.aclose()

    async def take(
        self, draws: Sequence[Draw], spends: Sequence[Spend]
    ) -> Taken | Denied | Overdrawn | Unreachable:
        if self.is_down:
            return self._alone(draws, spends)
        taken = Taken(tuple(draws), tuple(spends), (), self._epoch, self._next, is_shared=True)
        self._next += 1
        try:
            async with asyncio.timeout(self._timeout):
                reply: Any = await self._take(keys=self._keys(taken), args=_arguments(draws, spends))
        except asyncio.CancelledError:
            self._take_back(taken)
            raise
        except Exception as error:
            # Whether it was counted is not known: it is taken back, whichever of the two comes first.
            self._take_back(taken)
            self._went_down(error)
            return self._alone(draws, spends)
        return self._read(reply, taken=taken)

    def settle(self, taken: Taken, *, tokens: int | None, amount: int) -> None:
        if not taken.is_shared:
            self._local.settle(taken, tokens=tokens, amount=amount)
            self._remember(taken.spends, amount=amount)
            return
        if not _is_settled(taken):
            return
        counted = _counted(taken) if tokens is not None else []
        times = [corrected_ns(draw, used=tokens or 0) for draw in counted]
        self._later(taken, counted, times=times, amount=amount, is_undo=False)

    @property
    def _has_news(self) -> bool:
        return bool(self._pending or self._owed or self._owing)

    def _take_back(self, taken: Taken) -> None:
        if _is_settled(taken):
            times = [-draw.cost_ns for draw in taken.draws]
            self._later(taken, taken.draws, times=times, amount=0, is_undo=True)

    def _later(
        self, taken: Taken, draws: Sequence[Draw], *, times: list[int], amount: int, is_undo: bool
    ) -> None:
        if len(self._pending) == _MOST_PENDING:
            self.failures += 1
        keys = [self._grant(taken), *(_key(draw.bucket) for draw in draws)]
        keys += [_key(spend.account) for spend in taken.spends]
        deltas = [_microseconds(time) for time in times] + [
            str(amount - each.amount) for each in taken.spends
        ]
        self._pending.append(Settlement(tuple(keys), (str(len(draws)), "1" if is_undo else "0", *deltas)))
        self._wake.set()

    def _remember(self, spends: Sequence[Spend], *, amount: int) -> None:
        for spend in spends if amount else ():
            owed, _ = self._owed.get(spend.account, (0, 0))
            self._owed[spend.account] = owed + amount, spend.resets_at + _GRACE_SECONDS
            self._wake.set()

    def _alone(
        self, draws: Sequence[Draw], spends: Sequence[Spend]
    ) -> Taken | Denied | Overdrawn | Unreachable:
        return Unreachable(DOWN) if self._when_down == "refuse" else self._local.take_now(draws, spends)

    def _read(self, reply: list[int], *, taken: Taken) -> Taken | Denied | Overdrawn | Unreachable:
        match reply[0]:
            case 0:
                n_draws = len(taken.draws)
                levels = [
                    level(draw, us * 1000)
                    for draw, us in zip(taken.draws, reply[1 : 1 + n_draws], strict=True)
                ]
                for spend, gone in zip(taken.spends, reply[1 + n_draws :], strict=True):
                    self._local.ledger.learn(spend.account, gone)
                return replace(taken, levels=tuple(levels))
            case 1:
                return Denied(taken.draws[reply[1] - 1], reply[2] * 1000)
            case 2:
                spend = taken.spends[reply[1] - 1]
                self._local.ledger.learn(spend.account, reply[2])
                return Overdrawn(spend, max(spend.limit - reply[2], 0))
            case _:
                return Unreachable(DOWN)

    def _keys(self, taken: Taken) -> list[str]:
        keys = [_key(draw.bucket) for draw in taken.draws] + [_key(each.account) for each in taken.spends]
        return [*keys, self._grant(taken)] if _is_settled(taken) else keys

    def _grant(self, taken: Taken) -> str:
        return _key(f"grant:{taken.epoch}:{taken.number}")

    async def _run(self) -> None:
        """Settle what is pending while Redis answers, else ask until it does."""
        while True:
            if self.is_down:
                await asyncio.sleep(_PROBE_SECONDS)
                if await self._probe():
                    self.is_down = False
                    logger.warning("the shared limits are reached again")
                continue
            self._wake.clear()
            if self._has_news:
                await self._flush()
            else:
                await self._wake.wait()

    async def _flush(self) -> None:
        """Tell Redis the oldest settlements; what fails stays, and being told twice changes nothing."""
        batch = list(islice(self._pending, _BATCH))
        owed, self._owed = self._owed, {}
        if owed:
            keys = [_key(f"grant:{self._epoch}:owed:{self._next}"), *map(_key, owed)]
            self._next += 1
            self._owing.append(Settlement(tuple(keys), tuple(str(n) for pair in owed.values() for n in pair)))
        debts = list(self._owing)
        try:
            async with asyncio.timeout(4 * self._timeout):
                pipe = self._redis.pipeline(transaction=False)
                for script, items in ((self._settle, batch), (self._owe, debts)):
                    for each in items:
                        await script(keys=list(each.keys), args=list(each.arguments), client=pipe)
                await pipe.execute()
        except Exception as error:
            self._went_down(error)
            return
        for _ in batch:
            self._pending.popleft()
        del self._owing[: len(debts)]

    async def _probe(self) -> bool:
        """Whether Redis takes a write in time."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._redis.set(_key("probe"), "1", ex=10)
        except Exception:
            return False
        return True

    def _went_down(self, error: BaseException) -> None:
        self.failures += 1
        if not self.is_down:
            self.is_down = True
            self._wake.set()
            what = "refused" if self._when_down == "refuse" else "limited by this proxy alone"
            text = " ".join(str(error).split()) or type(error).__name__
            logger.error("Redis is down (%s); limited callers are %s", text, what)


def _client(url: str, *, timeout_seconds: float) -> "Redis":
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis(connection_pool=pool)


def _arguments(draws: Sequence[Draw], spends: Sequence[Spend]) -> list[str]:
    arguments = [str(len(draws)), str(len(spends)), *(_microseconds(draw.cost_ns) for draw in draws)]
    for spend in spends:
        arguments += [str(spend.amount), str(spend.limit), str(spend.resets_at + _GRACE_SECONDS)]
    return arguments


def _is_settled(taken: Taken) -> bool:
    """Whether the call's end changes what was counted at its start."""
    return bool(taken.spends) or bool(_counted(taken))


def _counted(taken: Taken) -> list[Draw]:
    return [draw for draw in taken.draws if draw.kind == "tokens"]


def _key(name: str) -> str:
    return f"{{lqo}}:{name}"


def _microseconds(ns: int) -> str:
    return f"{ns / 1000:.3f}"
