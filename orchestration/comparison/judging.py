"""Judging what the sides of a run said: grades by rubric, and pairs in both orders; nothing is paid twice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from evaluators.judging.asking import Judgement, unscorable, without_asking
from evaluators.judging.client import EndpointError, JudgeClient, open_client
from evaluators.judging.comparing import ask_pair
from evaluators.judging.items import JudgeItem
from evaluators.judging.pairwise import PairItem, PairJudge
from evaluators.judging.protocol import Unscored
from evaluators.judging.retrying import RetryPolicy
from evaluators.judging.running import run as run_judge
from ingest.access.secrets import Missing, read_secret
from orchestration.comparison.answering import AskingFailedError
from orchestration.comparison.endpoints import EndpointUnknownError
from orchestration.comparison.pool import work_through
from orchestration.comparison.till import LATER, Till
from orchestration.judging.cache import KeptVerdict, VerdictCache
from orchestration.judging.judges import Judge
from orchestration.judging.landing import Asker, land_judge_calls
from orchestration.judging.prices import JudgePrices
from orchestration.judging.writing import Outcome, is_kept, verdict_of

# A draft: a gate's judge says nothing about days until somebody configures it as a judge.
_VERSION: LiteralString = """
with added as (
    insert into evaluation.evaluator_versions (evaluator, version, kind, status, description)
    values (%(evaluator)s, %(version)s, 'judge', 'draft', %(description)s)
    on conflict (evaluator, version) do nothing
    returning id
),
version as (
    select id from added
    union all
    select id from evaluation.evaluator_versions where evaluator = %(evaluator)s and version = %(version)s
),
kept as (
    insert into evaluation.judge_versions (evaluator_version_id, judge, rubric, provider, model, parameters)
    select id, %(judge)s, %(rubric)s, %(provider)s, %(model)s, %(parameters)s from version
    on conflict (evaluator_version_id) do nothing
)
select id from version limit 1
"""


@dataclass(slots=True)
class Spending:
    """What judging took: exchanges that were paid, verdicts that were there, USD where prices are known."""

    asked: int = 0
    reused: int = 0
    usd: Decimal = Decimal(0)
    unpriced: int = 0


def version_of(connection: Connection[TupleRow], judge: Judge, *, is_pairwise: bool = False) -> int:
    """The id of the evaluator version that the judge is; registered as a draft where it is new."""
    spec = judge.spec
    asked = PairJudge(spec) if is_pairwise else spec
    given = {
        "evaluator": asked.evaluator,
        "version": asked.version,
        "description": f"{spec.rubric.title}{', in pairs' if is_pairwise else ''}",
        "judge": judge.judge,
        "rubric": judge.rubric,
        "provider": judge.provider,
        "model": judge.model,
        "parameters": Jsonb(dict(judge.parameters)),
    }
    with connection.transaction():
        row = connection.execute(_VERSION, given).fetchone()
    assert row is not None
    return row[0]


class Bench:
    """One judge version at work: looks verdicts up, asks for the others, keeps and lands what was paid.

    The connection must be outside a transaction. A `till` admits grades; pairs are not asked about under one.
    """

    def __init__(
        self,
        connection: Connection[TupleRow],
        judge: Judge,
        *,
        version_id: int,
        spending: Spending,
        redis_url: str | None = None,
        retry: RetryPolicy | None = None,
        is_pairwise: bool = False,
        till: Till | None = None,
    ) -> None:
        asked = PairJudge(judge.spec) if is_pairwise else judge.spec
        self.judge = judge
        self.version_id = version_id
        self.evaluator, self.version = asked.evaluator, asked.version
        self._connection = connection
        self._spending = spending
        self._retry = retry
        self._till = till
        self._has_kept_all = True
        self._asker = Asker(judge=judge.judge, provider=judge.provider, model=judge.model)
        self._prices = JudgePrices(connection, judge)
        self._cache = VerdictCache(
            evaluator_version_id=version_id, judge_model=judge.model, redis_url=redis_url
        )

    def grade(self, items: Sequence[JudgeItem]) -> dict[bytes, Judgement]:
        """The judgement of every item by its content. Raises AskingFailedError where the judge is away."""
        # The two sides may have answered the same; what is equal is asked about once.
        wanted = {item.content_hash: item for item in items}
        known = self._cache.find(self._connection, list(wanted))
        done = {content: self._recalled(known[content], wanted[content]) for content in known}
        todo = [item for content, item in wanted.items() if content not in known]
        spec = self.judge.spec

        async def on_done(judgement: Judgement) -> None:
            done[judgement.content_hash] = judgement
            self._keep(judgement)

        async def ask_all() -> None:
            waiting = todo
            async with self._client() as client:
                while waiting:
                    later = list[JudgeItem]()
                    await run_judge(
                        self._admitted(waiting, done, later),
                        spec=spec,
                        client=client,
                        concurrency=self.judge.concurrency,
                        on_done=on_done,
                    )
                    assert len(later) < len(waiting), "nothing was out, and something was to wait for it"
                    waiting = later

        self._run(ask_all, needed=bool(todo))
        return done

    async def _admitted(
        self, items: Sequence[JudgeItem], done: dict[bytes, Judgement], later: list[JudgeItem]
    ) -> AsyncIterator[JudgeItem]:
        """The items that may be asked about now; `later` gets those that there may be money for once these
        are back, `done` those that there is none for."""
        spec = self.judge.spec
        for item in items:
            # What is not worth a question costs nothing.
            if self._till is None or unscorable(spec, item) is not None:
                yield item
                continue
            why = LATER if later else self._till.admit_judging(self.judge, item)
            if why is None:
                yield item
            elif why == LATER:
                later.append(item)
            else:
                done[item.content_hash] = without_asking(spec, item, Unscored(why))

    def compare(self, pairs: Sequence[PairItem]) -> dict[bytes, Judgement]:
        """The judgement of every pair, as it is ordered, by its content. Raises AskingFailedError."""
        judge = PairJudge(self.judge.spec)
        wanted = {pair.content_hash: pair for pair in pairs}
        known = self._cache.find(self._connection, list(wanted))
        done = {content: self._recalled(known[content], wanted[content]) for content in known}

        async def ask_all() -> None:
            async with self._client() as client:

                async def ask(pair: PairItem) -> None:
                    judgement = await ask_pair(client, judge, pair)
                    done[judgement.content_hash] = judgement
                    self._keep(judgement)

                todo = [pair for content, pair in wanted.items() if content not in known]
                await work_through(todo, ask, concurrency=self.judge.concurrency)

        self._run(ask_all, needed=len(known) < len(wanted))
        return done

    def _client(self) -> AbstractAsyncContextManager[JudgeClient]:
        secret = None if self.judge.secret_ref is None else read_secret(self.judge.secret_ref)
        if isinstance(secret, Missing):
            raise EndpointUnknownError(f"the judge {self.judge.judge}: {secret.reason}")
        key = secret and secret.value
        return open_client(base_url=self.judge.base_url, api_key=key, retry=self._retry)

    def _run(self, ask_all: Callable[[], Coroutine[Any, Any, None]], *, needed: bool) -> None:
        if not needed:
            return
        try:
            asyncio.run(ask_all())
        except EndpointError as error:
            # All others that were under way have come in and are kept.
            if self._till is not None and self._has_kept_all:
                self._till.refund_judging(self.judge)
            raise AskingFailedError(f"the judge {self.judge.judge}: {error}") from None

    def _recalled(self, verdict: KeptVerdict, item: JudgeItem | PairItem) -> Judgement:
        self._spending.reused += 1
        return Judgement(
            call_id=item.call_id,
            started_at=item.started_at,
            content_hash=verdict.content_hash,
            evaluator=self.evaluator,
            evaluator_version=self.version,
            judge_model=verdict.served_model or self.judge.model,
            value=None if verdict.value is None else int(verdict.value),
            label=verdict.label,
            explanation=verdict.explanation,
            unscored_reason=verdict.unscored_reason,
            details=verdict.details,
            is_reused=True,
        )

    def _keep(self, judgement: Judgement) -> None:
        """Land the exchange and keep its verdict, in one transaction, before anything else is asked."""
        if not judgement.attempts:
            return
        self._spending.asked += 1
        usd = self._prices.of(judgement)
        if usd is None:
            self._spending.unpriced += 1
        else:
            self._spending.usd += usd
        verdict = verdict_of(Outcome(judgement, probability=1, cost_usd=usd))
        self._has_kept_all = False
        with self._connection.transaction():
            land_judge_calls(self._connection, [judgement], asker=self._asker)
            if is_kept(judgement):
                self._cache.keep(self._connection, [verdict])
            if self._till is not None:
                self._till.settle_judging(self.judge, judgement, usd)
        self._has_kept_all = True
        if is_kept(judgement):
            self._cache.remember([verdict])
