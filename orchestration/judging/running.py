"""One judge over the calls that wait for it: asked within budget, each verdict committed as it arrives.

An answer that is paid for keeps its place among the `concurrency` requests until it is committed, so that a
process killed at any moment has paid for at most that many answers it does not have.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.asking import Judgement
from evaluators.judging.items import JudgeItem
from evaluators.judging.running import run
from orchestration.judging.budget import Purse
from orchestration.judging.cache import KeptVerdict, VerdictCache
from orchestration.judging.known import split_page, told
from orchestration.judging.pending import PAGE_CALLS, Pending, Waiting, key_of, read_page
from orchestration.judging.prices import JudgePrices, input_tokens
from orchestration.judging.writing import Outcome, Writer, is_kept, verdict_of

if TYPE_CHECKING:
    from evaluators.judging.client import JudgeClient
    from evaluators.judging.judge import JudgeSpec

T = TypeVar("T")
P = ParamSpec("P")
Key = tuple[datetime, UUID]
_Uncommitted = tuple[Outcome, "asyncio.Future[None]"]


@dataclass(frozen=True, slots=True)
class _Asked:
    pending: Pending
    reserved: Decimal | None


@dataclass(slots=True)
class Desk:
    """What asking one judge needs; everything that touches the connection runs in one thread of its own.

    `on_written` is called after each commit, in that thread.
    """

    connection: Connection[TupleRow]
    spec: "JudgeSpec"
    concurrency: int
    cache: VerdictCache
    writer: Writer
    purse: Purse
    prices: JudgePrices
    on_written: Callable[[], None] = lambda: None
    page_calls: int = PAGE_CALLS
    is_out_of_budget: bool = False
    _in_flight: dict[str, _Asked] = field(default_factory=dict[str, _Asked])
    _recent: "OrderedDict[bytes, KeptVerdict]" = field(default_factory=OrderedDict[bytes, KeptVerdict])
    _waiting: list[_Uncommitted] = field(default_factory=list[_Uncommitted])
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "judging"))

    async def judge(self, waiting: Waiting, *, client: "JudgeClient") -> None:
        """Ask about every call that waits, or as many as the budget allows (`is_out_of_budget` then).

        Raises EndpointError, NoPriceError and psycopg.Error; what was paid for before is written.
        """
        committing = asyncio.create_task(self._commit())
        try:
            await run(
                self._items(waiting),
                spec=self.spec,
                client=client,
                concurrency=self.concurrency,
                on_done=self._done,
                recall=self._recall,
            )
        finally:
            committing.cancel()
            with suppress(asyncio.CancelledError):
                await committing

    def close(self) -> None:
        """Wait for the thread."""
        self._thread.shutdown()

    async def _items(self, waiting: Waiting) -> AsyncGenerator[JudgeItem]:
        after: Key | None = None
        while page := await self._in_thread(self._page, waiting, after):
            to_ask, after = page
            for pending in to_ask:
                reserved = self._estimate(pending.item)
                if not await self._reserve(reserved):
                    self.is_out_of_budget = True
                    return
                self._in_flight[pending.item.call_id] = _Asked(pending, reserved)
                yield pending.item

    async def _reserve(self, usd: Decimal | None) -> bool:
        """Set the money aside; while calls are out, what they do not use may be enough for one more."""
        while True:
            self.purse.turn_day(datetime.now(UTC).date())
            if self.purse.reserve(usd):
                return True
            if not self._in_flight:
                return False
            self._freed.clear()
            await self._freed.wait()

    def _estimate(self, item: JudgeItem) -> Decimal | None:
        """USD to set aside; not worth the reading where no budget in USD binds."""
        if self.purse.max_usd is None:
            return None
        return self.prices.estimate(input_tokens(self.spec, item))

    def _page(self, waiting: Waiting, after: Key | None) -> tuple[list[Pending], Key] | None:
        """The next page without what needs no asking, which is written at once; None at the end."""
        page = read_page(self.connection, waiting, after=after, limit=self.page_calls)
        if not page:
            return None
        free, to_ask = split_page(self.connection, page, spec=self.spec, cache=self.cache)
        self.writer.write(free, purse=self.purse)
        if free:
            self.on_written()
        return to_ask, key_of(page)

    async def _recall(self, item: JudgeItem) -> Judgement | None:
        """A verdict of this run that came after the item's page was looked up."""
        verdict = self._recent.get(item.content_hash)
        return None if verdict is None else told(self.spec, item, verdict)

    async def _done(self, judgement: Judgement) -> None:
        """Returns once the judgement is committed, together with those that arrived meanwhile."""
        asked = self._in_flight[judgement.call_id]
        cost = self.prices.of(judgement) if judgement.attempts else Decimal(0)
        outcome = Outcome(judgement, asked.pending.probability, asked.pending.tries, cost_usd=cost)
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, committed))
        self._arrived.set()
        try:
            await committed
        finally:
            del self._in_flight[judgement.call_id]
            n_calls = 1 if judgement.attempts else 0
            self.purse.settle(asked.reserved, spent=cost, n_calls=n_calls)
            self._freed.set()
        if judgement.attempts and is_kept(judgement):
            self._remember(verdict_of(outcome))

    async def _commit(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting, []
            try:
                await self._in_thread(self._write, [outcome for outcome, _ in batch])
            except Exception as error:
                for _, committed in batch:
                    committed.set_exception(error)
            else:
                for _, committed in batch:
                    committed.set_result(None)

    def _write(self, outcomes: list[Outcome]) -> None:
        self.writer.write(outcomes, purse=self.purse)
        self.on_written()

    def _remember(self, verdict: KeptVerdict) -> None:
        """Twice a page and what is in flight: no page that was looked up before is still unread by then."""
        self._recent[verdict.content_hash] = verdict
        while len(self._recent) > 2 * self.page_calls + self.concurrency:
            self._recent.popitem(last=False)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(work, *args, **kwargs))
