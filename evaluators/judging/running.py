"""Asking a judge about many calls: as many at once as allowed, however many are pending.

Workers pull one item each from the stream of items and hand the judgement on before they pull the next: there
is no queue, so memory is that of `concurrency` exchanges whether ten calls are pending or ten million, and a
killed process has lost at most as many paid answers as there are workers.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from evaluators.judging.asking import Judgement, ask_about, barred, prepare, reused, without_asking
from evaluators.judging.client import EndpointError, JudgeClient
from evaluators.judging.fitting import Shown
from evaluators.judging.items import JudgeItem
from evaluators.judging.judge import JudgeSpec
from evaluators.judging.protocol import ERROR, SAME_MODEL, Unscored

OnDone = Callable[[Judgement], Awaitable[None]]
Recall = Callable[[JudgeItem], Awaitable[Judgement | None]]

FEWEST_FAILURES: Final = 8
"""In a row, before an endpoint counts as down (and no fewer than there are workers)."""


@dataclass(slots=True)
class Tally:
    """What a run did: judgements by outcome ('scored' or the reason), HTTP requests, verdicts reused."""

    outcomes: Counter[str] = field(default_factory=Counter[str])
    requests: int = 0
    reused: int = 0


async def run(
    items: AsyncIterable[JudgeItem],
    *,
    spec: JudgeSpec,
    client: JudgeClient,
    concurrency: int,
    on_done: OnDone,
    recall: Recall | None = None,
) -> Tally:
    """Judge every item; `on_done` gets each judgement, once, in the order they come in.

    At most `concurrency` calls are in flight. `recall` is asked for a verdict already paid for before the
    judge is; of items with the same content that are in flight together only one is asked about. When the
    endpoint, `items`, `recall` or `on_done` fails, no new item is begun, what is in flight is finished and
    handed on, and then the first error is raised; EndpointError also after a row of calls without any answer.
    Cancelled, it drops what is in flight.
    """
    if concurrency < 1:
        raise ValueError(f"concurrency {concurrency}")
    work = _Run(aiter(items), spec, client, on_done, recall, patience=max(FEWEST_FAILURES, concurrency))
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work.worker())
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()
    if work.error:
        raise work.error
    return work.tally


@dataclass(slots=True)
class _Run:
    items: AsyncIterator[JudgeItem]
    spec: JudgeSpec
    client: JudgeClient
    on_done: OnDone
    recall: Recall | None
    patience: int
    tally: Tally = field(default_factory=Tally)
    error: Exception | None = None
    failures: int = 0
    pulling: asyncio.Lock = field(default_factory=asyncio.Lock)
    in_flight: dict[bytes, "asyncio.Future[Judgement]"] = field(
        default_factory=dict[bytes, "asyncio.Future[Judgement]"]
    )

    async def worker(self) -> None:
        try:
            while (item := await self._next()) is not None:
                await self._finish(item)
        except Exception as error:  # the other workers must still hand on what they have paid for
            self.error = self.error or error

    async def _next(self) -> JudgeItem | None:
        async with self.pulling:  # an async generator takes one caller at a time
            return None if self.error else await anext(self.items, None)

    async def _finish(self, item: JudgeItem) -> None:
        """Judge one item and hand it on; of those with the same content one after the other."""
        shown = prepare(self.spec, item)
        if isinstance(shown, Unscored):
            await self._hand_on(without_asking(self.spec, item, shown))
            return
        content = item.content_hash
        while (first := self.in_flight.get(content)) is not None:
            judgement = await asyncio.shield(first)
            if judgement.unscored_reason != SAME_MODEL:
                await self._hand_on(reused(self.spec, item, judgement))
                return
        own = self.in_flight[content] = asyncio.get_running_loop().create_future()
        try:
            judgement = await self._asked(item, shown=shown)
            # Known to `recall` before anybody else may ask about the same content.
            await self._hand_on(judgement)
            own.set_result(judgement)
        except BaseException as error:
            own.set_exception(error if isinstance(error, Exception) else EndpointError("the run was ended"))
            own.exception()  # read here, as there may be nobody waiting
            raise
        finally:
            del self.in_flight[content]

    async def _asked(self, item: JudgeItem, *, shown: tuple[Shown, ...]) -> Judgement:
        if self.recall and (known := await self.recall(item)) is not None:
            return barred(self.spec, item, known)
        return await ask_about(self.client, self.spec, item, shown=shown)

    async def _hand_on(self, judgement: Judgement) -> None:
        await self.on_done(judgement)
        self.tally.outcomes[judgement.unscored_reason or "scored"] += 1
        self.tally.requests += len(judgement.attempts)
        self.tally.reused += judgement.is_reused
        if judgement.attempts:
            self.failures = self.failures + 1 if judgement.unscored_reason == ERROR else 0
        if self.failures >= self.patience:
            detail = judgement.details.get("detail", "")
            raise EndpointError(f"{self.failures} calls to the judge in a row failed: {detail}")
