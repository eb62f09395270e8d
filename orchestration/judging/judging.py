"""Judging a window: every enabled judge, day by day, as far as policy and budget go."""

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.client import EndpointError, open_client
from evaluators.judging.rubrics import RubricError
from ingest.access.secrets import Missing, read_secret
from orchestration.judging.batches_provider import BatchEndpointError
from orchestration.judging.batches_window import AskedInBatches, ask_in_batches
from orchestration.judging.budget import NoPriceError, Purse, open_purse
from orchestration.judging.cache import CacheCounts, VerdictCache
from orchestration.judging.days import is_closed, mark_day
from orchestration.judging.judges import Judge, JudgeError, list_judges, register_judge
from orchestration.judging.pending import PAGE_CALLS, Waiting, count_pending
from orchestration.judging.policies import Policy, list_policies
from orchestration.judging.prices import JudgePrices
from orchestration.judging.running import Desk
from orchestration.judging.selection import select_calls, top_up
from orchestration.judging.writing import Writer, Written
from orchestration.windows import Window, day_window, days_of

PROGRESS_SECONDS = 10.0


@dataclass(slots=True)
class JudgeRun:
    """What one judge did in a run. `n_pending` calls waited when it began (of what was selected by then);
    `problem` is one line, None where it went to the end of its work or of its budget."""

    judge: str
    evaluator_version_id: int | None = None
    n_selected: int = 0
    n_topped_up: int = 0
    n_pending: int = 0
    is_out_of_budget: bool = False
    problem: str | None = None
    written: Written = field(default_factory=Written)
    cache: CacheCounts = field(default_factory=CacheCounts)
    batches: AskedInBatches = field(default_factory=AskedInBatches)

    def __str__(self) -> str:
        done = ", ".join(f"{n:,} {name}" for name, n in sorted(self.written.outcomes.items()))
        cost = f"{self.written.n_paid:,} paid for, ${self.written.cost_usd:.4f}"
        unpriced = f" and {self.written.n_unpriced:,} without a price" if self.written.n_unpriced else ""
        left = ", out of budget" if self.is_out_of_budget else ""
        why = f", stopped: {self.problem}" if self.problem else ""
        progress = f"{self.written.n_calls:,} of {max(self.n_pending, self.written.n_calls):,} calls"
        return f"judge {self.judge}: {progress} ({done or 'none'}; {cost}{unpriced}){left}{why}"


OnProgress = Callable[[JudgeRun], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How a window is judged: as part of a backfill or not, with which Redis, in pages of how many calls."""

    backfill_id: str | None = None
    redis_url: str | None = None
    page_calls: int = PAGE_CALLS


def judge_window(
    connection: Connection[TupleRow],
    window: Window,
    *,
    judges: Sequence[Judge] | None = None,
    options: Options = Options(),
    on_progress: OnProgress = lambda _run: None,
) -> list[JudgeRun]:
    """Give every selected call of the window a judgement by each judge (None: those enabled, asked directly).

    Nothing is asked twice: what has a final judgement or a kept verdict is left alone, so that a second run
    asks nothing and a run after kill -9 asks the rest. Judges of one provider take turns, across processes
    too. What the budget does not reach becomes `skipped_budget`; what stops one judge (its secret, its
    endpoint, no price) is its `problem` and stops no other. A judge that is asked in batches has its answers
    later (`batches_tend`). The connection must be outside a transaction.
    """
    enabled = [each for each in list_judges(connection, only_enabled=True) if each.processing == "direct"]
    chosen = enabled if judges is None else judges
    runs = [JudgeRun(judge.judge) for judge in chosen]
    for judge, run in zip(chosen, runs, strict=True):
        report = _every(PROGRESS_SECONDS, partial(on_progress, run))
        with _turn_of(connection, judge):
            try:
                registered = register_judge(connection, judge)
                _judge(connection, registered, run, window=window, options=options, report=report)
            except (BatchEndpointError, EndpointError, JudgeError, RubricError, NoPriceError) as error:
                run.problem = " ".join(str(error).split())
        on_progress(run)
    return runs


def _judge(
    connection: Connection[TupleRow],
    judge: Judge,
    run: JudgeRun,
    *,
    window: Window,
    options: Options,
    report: Callable[[], None],
) -> None:
    assert judge.evaluator_version_id is not None
    run.evaluator_version_id = judge.evaluator_version_id
    (policy,) = list_policies(connection, judge.policy)
    waiting = [_select(connection, judge, policy, part, run=run) for part in _by_day(window)]
    run.n_pending = sum(count_pending(connection, each) for each in waiting)
    if run.n_pending:
        cache = VerdictCache(
            evaluator_version_id=judge.evaluator_version_id,
            judge_model=judge.model,
            keep_days=judge.cache_days,
            redis_url=options.redis_url,
        )
        writer = Writer(connection, judge, cache=cache)
        run.written, run.cache = writer.written, cache.counts
        purse = open_purse(connection, policy, backfill_id=options.backfill_id)
        if judge.processing == "batch":
            run.batches = ask_in_batches(connection, judge, waiting, writer=writer, cache=cache, purse=purse)
            run.is_out_of_budget = run.batches.is_out_of_budget
        else:
            desk = _desk(connection, judge, writer=writer, cache=cache, purse=purse)
            desk.on_written, desk.page_calls = report, options.page_calls
            asyncio.run(_ask(judge, desk, waiting))
            run.is_out_of_budget = desk.is_out_of_budget
        if run.is_out_of_budget:
            for each in waiting:
                writer.skip(each)
    for each in waiting:
        _finish(connection, judge, each)


def _select(
    connection: Connection[TupleRow], judge: Judge, policy: Policy, part: Window, *, run: JudgeRun
) -> Waiting:
    """Both phases over a part of a day, and what waits of it."""
    assert judge.evaluator_version_id is not None
    day = part.start.date()
    closed = is_closed(connection, day)
    mark_day(connection, day, version=judge.evaluator_version_id, policy=policy.policy, is_topped_up=False)
    run.n_selected += select_calls(connection, policy, part)
    if closed and part == day_window(day):
        run.n_topped_up += top_up(connection, policy, part)
    return Waiting(policy.policy, judge.evaluator_version_id, part, is_closed=closed)


def _finish(connection: Connection[TupleRow], judge: Judge, waiting: Waiting) -> None:
    """A closed day has had both phases, and an answer or a reason for every call that they selected."""
    assert judge.evaluator_version_id is not None
    day = waiting.window.start.date()
    if waiting.is_closed and waiting.window == day_window(day):
        version = judge.evaluator_version_id
        mark_day(connection, day, version=version, policy=waiting.policy, is_topped_up=True)


def _desk(
    connection: Connection[TupleRow], judge: Judge, *, writer: Writer, cache: VerdictCache, purse: Purse
) -> Desk:
    return Desk(
        connection=connection,
        spec=judge.spec,
        concurrency=judge.concurrency,
        cache=cache,
        writer=writer,
        purse=purse,
        prices=JudgePrices(connection, judge),
    )


async def _ask(judge: Judge, desk: Desk, waiting: Sequence[Waiting]) -> None:
    """Ask about all that waits, or as much as the budget allows. Raises JudgeError without a secret."""
    secret = read_secret(judge.secret_ref) if judge.secret_ref else None
    if isinstance(secret, Missing):
        raise JudgeError(f"judge {judge.judge}: {secret.reason}")
    key = secret.value if secret else None
    try:
        async with open_client(base_url=judge.base_url, api_key=key) as client:
            for each in waiting:
                if not desk.is_out_of_budget:
                    await desk.judge(each, client=client)
    finally:
        desk.close()


def _by_day(window: Window) -> list[Window]:
    parts = (day_window(day) for day in days_of([window]))
    return [Window(max(part.start, window.start), min(part.end, window.end)) for part in parts]


@contextmanager
def _turn_of(connection: Connection[TupleRow], judge: Judge) -> Generator[None]:
    """A session's lock, which ends with the process: two runs would ask the same provider the same thing.

    Who is asked in batches need not wait for those who are asked directly, for hours.
    """
    key = f"judging:{judge.provider}" + (":batch" if judge.processing == "batch" else "")
    with connection.transaction():
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key,))
    try:
        yield
    finally:
        if not connection.closed:
            with connection.transaction():
                connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (key,))


def _every(seconds: float, work: Callable[[], None]) -> Callable[[], None]:
    """`work`, at most once in so many seconds."""
    last = time.monotonic()

    def maybe() -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            work()

    return maybe
