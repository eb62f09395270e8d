"""Limits and budgets that several proxies share through Redis.

Calls that come together are asked for together, in one script each. A call waits for Redis at most twice
`timeout_seconds`, and after a failure no call waits until a probe beside the calls has been answered. What a
call owes is told to Redis behind its back.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal
from uuid import uuid4

import msgspec

from ingest.limits.gcra import Denied, Draw, corrected_ns, level
from ingest.limits.ledger import Overdrawn, Spend
from ingest.limits.meter import LocalMeter, Taken, Unreachable
from ingest.limits.redis_scripts import OWE_DIGEST, SETTLE_DIGEST, TAKE_DIGEST, RedisScripts, key_of

logger = logging.getLogger(__name__)

WhenDown = Literal["refuse", "local"]

TIMEOUT_SECONDS = 0.25
_PROBE_SECONDS = 0.5
_MOST_PENDING = 100_000
_BATCH = 200
_GRACE_SECONDS = 2 * 86_400
_MOST = 9 * 10**18
"""Pico-USD: Redis counts in 64 bits, so that no account holds more than $9 million a period."""
_CLOSE_SECONDS = 2.0
DOWN = "the shared limits cannot be reached; try again in a moment"


class Settlement(msgspec.Struct, frozen=True):
    """What to add to the buckets (µs) and accounts (pico-USD) of a grant."""

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
        self._redis = RedisScripts(url, timeout_seconds=timeout_seconds)
        self._local = local
        self._when_down: WhenDown = when_down
        self._timeout = timeout_seconds
        self._epoch = f"shared-{uuid4().hex}"
        self._next = 0
        self._asking: list[tuple[Taken, asyncio.Future[Any]]] = []
        self._asker: asyncio.Task[None] | None = None
        self._pending: deque[Settlement] = deque(maxlen=_MOST_PENDING)
        self._owed: dict[str, tuple[int, int]] = {}
        self._owing: list[Settlement] = []
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_down = False
        self.failures = 0

    async def start(self) -> None:
        """Ask Redis, and begin to settle. A Redis that is down is no reason not to start; a slow one gets
        two seconds, as no call waits for it yet."""
        if not await self._redis.answers_at_start():
            self._went_down(ConnectionError("no answer"))
        self._task = asyncio.create_task(self._run(), name="lqo shared limits")

    async def close(self) -> None:
        """Tell Redis what it has not heard yet, within two seconds."""
        self._closing.set()
        self._wake.set()
        # Not cancelled at once: the client library may swallow that, and then nothing would end the task.
        if running := [task for task in (self._task, self._asker) if task is not None]:
            _, late = await asyncio.wait(running, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()
        if self.has_news:
            logger.error("%d calls stay reserved in Redis as it is down", len(self._pending))
        with contextlib.suppress(Exception):
            await self._redis.close()

    async def take(
        self, draws: Sequence[Draw], spends: Sequence[Spend]
    ) -> Taken | Denied | Overdrawn | Unreachable:
        if self.is_down:
            return self._alone(draws, spends)
        taken = Taken(tuple(draws), tuple(spends), (), self._epoch, self._next, is_shared=True)
        self._next += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asking.append((taken, answer))
        if self._asker is None or self._asker.done():
            self._asker = asyncio.create_task(self._ask(), name="lqo shared limits: ask")
        try:
            reply = await answer
        except asyncio.CancelledError:
            self._take_back(taken)
            raise
        return self._alone(draws, spends) if reply is None else self._read(reply, taken=taken)

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
    def has_news(self) -> bool:
        """Whether Redis has still to be told of something."""
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
        keys = [self._grant(taken), *(key_of(draw.bucket) for draw in draws)]
        keys += [_account(spend.account) for spend in taken.spends]
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
        keys = [key_of(draw.bucket) for draw in taken.draws] + [
            _account(each.account) for each in taken.spends
        ]
        return [*keys, self._grant(taken)] if _is_settled(taken) else keys

    def _grant(self, taken: Taken) -> str:
        return key_of(f"grant:{taken.epoch}:{taken.number}")

    async def _ask(self) -> None:
        """Ask for all calls that wait, in one go; those that come meanwhile are the next go."""
        while self._asking:
            batch, self._asking = self._asking, []
            calls = [(TAKE_DIGEST, self._keys(taken), _arguments(taken)) for taken, _ in batch]
            try:
                replies = await self._redis.execute(calls, seconds=self._timeout)
            except Exception as error:
                replies = list[Any]((error,)) * len(batch)
            for (taken, answer), reply in zip(batch, replies, strict=True):
                if isinstance(reply, Exception):
                    # Whether it was counted is not known: taken back, whichever of the two comes first.
                    self._went_down(reply)
                    self._take_back(taken)
                if not answer.done():
                    answer.set_result(None if isinstance(reply, Exception) else reply)
            if self.is_down:
                unasked, self._asking = self._asking, []
                for _, answer in unasked:
                    if not answer.done():
                        answer.set_result(None)

    async def _run(self) -> None:
        """Settle what is pending while Redis answers, else ask until it does; ends when all is told."""
        while not self._closing.is_set() or (self.has_news and not self.is_down):
            if self.is_down:
                await self._come_back()
                continue
            self._wake.clear()
            if self.has_news:
                await self._flush()
            elif not self._closing.is_set():
                await self._wake.wait()

    async def _come_back(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._closing.wait()
        if await self._redis.answers():
            self.is_down = False
            logger.warning("the shared limits are reached again")

    async def _flush(self) -> None:
        """Tell Redis the oldest settlements; what fails stays, and being told twice changes nothing."""
        batch = list(islice(self._pending, _BATCH))
        owed, self._owed = self._owed, {}
        if owed:
            keys = [key_of(f"grant:{self._epoch}:owed:{self._next}"), *map(_account, owed)]
            self._next += 1
            self._owing.append(Settlement(tuple(keys), tuple(str(n) for pair in owed.values() for n in pair)))
        debts = list(self._owing)
        calls = [(SETTLE_DIGEST, each.keys, each.arguments) for each in batch]
        calls += [(OWE_DIGEST, each.keys, each.arguments) for each in debts]
        try:
            replies = await self._redis.execute(calls, seconds=4 * self._timeout)
        except Exception as error:
            replies = list[Any]((error,))
        if failed := next((each for each in replies if isinstance(each, Exception)), None):
            self._went_down(failed)
            return
        for _ in batch:
            self._pending.popleft()
        del self._owing[: len(debts)]

    def _went_down(self, error: BaseException) -> None:
        self.failures += 1
        if not self.is_down:
            self.is_down = True
            self._wake.set()
            what = "refused" if self._when_down == "refuse" else "limited by this proxy alone"
            text = " ".join(str(error).split()) or type(error).__name__
            logger.error("Redis is down (%s); limited callers are %s", text, what)


def _arguments(taken: Taken) -> list[str]:
    costs = [_microseconds(draw.cost_ns) for draw in taken.draws]
    arguments = [str(len(taken.draws)), str(len(taken.spends)), *costs]
    for spend in taken.spends:
        arguments += [str(spend.amount), str(min(spend.limit, _MOST)), str(spend.resets_at + _GRACE_SECONDS)]
    return arguments


def _is_settled(taken: Taken) -> bool:
    """Whether the call's end changes what was counted at its start."""
    return bool(taken.spends) or bool(_counted(taken))


def _counted(taken: Taken) -> list[Draw]:
    return [draw for draw in taken.draws if draw.kind == "tokens"]


def _account(name: str) -> str:
    """Accounts of before amounts had 12 places stand under other keys."""
    return key_of(f"pico:{name}")


def _microseconds(ns: int) -> str:
    return f"{ns / 1000:.3f}"
