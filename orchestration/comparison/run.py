"""A run: ask what is not answered yet, judge what is not judged yet, measure, hold the gate against it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.calibration.policy import Standing
from ingest.call import Call
from ingest.landing.land import land_calls
from ingest.landing.loads import count_load, open_load
from orchestration.calibration.state import calibration_standing
from orchestration.comparison import store
from orchestration.comparison.answering import Question, ask_questions
from orchestration.comparison.endpoints import Endpoint
from orchestration.comparison.figures import Compared, Graded, measure_run
from orchestration.comparison.grading import NO_ANSWER, grade_answers
from orchestration.comparison.items import EvalItem, Side
from orchestration.comparison.judging import Bench, Spending, version_of
from orchestration.comparison.measures import Measure
from orchestration.comparison.pairs import compare_answers
from orchestration.comparison.plans import Plan, Recorded, Source, Work
from orchestration.comparison.store import Answered, Run, RunKey
from orchestration.comparison.till import Till


class RunningAlreadyError(RuntimeError):
    """The same run is under way in another process; the message is one line."""


@dataclass(frozen=True, slots=True)
class JudgeUsed:
    """A judge as a run used it: evaluator, version, and how far people's labels bear it out."""

    evaluator: str
    version: str
    model: str
    standing: Standing
    version_id: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a run found. `n_reused` answers were taken over from other runs."""

    run: Run
    answers: Mapping[tuple[Side, str], Answered]
    graded: Mapping[Side, Sequence[Graded]]
    compared: Sequence[Compared]
    measures: Mapping[str, Measure]
    judges: Sequence[JudgeUsed]
    spending: Spending
    n_reused: int


def run_plan(connection: Connection[TupleRow], plan: Plan, *, note: Callable[[str], None]) -> Found:
    """Run the plan to its figures; what an earlier, killed run of it has got is taken over.

    The connection must commit by itself (autocommit). `note` is told what is being done. Raises
    RunningAlreadyError, AskingFailedError, EndpointUnknownError; what was paid for until then is kept.
    """
    key = plan.key
    with alone(connection, f"eval_run/{key.fingerprint.hex()}"):
        run, n_reused = _opened(connection, plan, key)
        if run.is_continued:
            note(f"continuing the run of {run.started_at:%Y-%m-%d %H:%M} UTC")
        _ask(connection, plan, run, note=note)
        answers = store.read_run_answers(connection, run.run_id)
        work = Work(connection, plan, run, answers, Spending(), note)
        benches, pair_bench = _benches(work)
        graded = grade_answers(work, benches)
        compared = compare_answers(work, pair_bench) if pair_bench else []
        used = [*benches.values(), *([pair_bench] if pair_bench else [])]
        return Found(
            run=run,
            answers=answers,
            graded=graded,
            compared=compared,
            measures=measure_run(graded, compared, rubrics=plan.rubrics),
            judges=[_used(connection, bench) for bench in used],
            spending=work.spending,
            n_reused=n_reused,
        )


@contextmanager
def alone(connection: Connection[TupleRow], name: str) -> Iterator[None]:
    """While nobody else does the same run; the lock goes with the connection, even after kill -9.

    Raises RunningAlreadyError.
    """
    row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (name,)).fetchone()
    if row is None or not row[0]:
        raise RunningAlreadyError("the same run is under way in another process")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (name,))


def _opened(connection: Connection[TupleRow], plan: Plan, key: RunKey) -> tuple[Run, int]:
    """The run with its items, what is recorded, and how many answers of other runs it took over."""
    asked: list[Side] = [side for side, source in plan.sides.items() if isinstance(source, Endpoint)]
    now = datetime.now(UTC)
    with connection.transaction():
        run = store.open_run(connection, key, now=now, is_fresh=plan.is_fresh)
        requests: dict[Side, dict[str, bytes]] = {
            side: {item.item_id: _request_hash(source, item) for item in plan.items}
            for side, source in plan.sides.items()
        }
        store.add_items(connection, run, plan.items, requests=requests)
        if not run.is_continued:
            _write_recorded(connection, plan, run)
        if plan.is_fresh or not asked:
            return run, 0
        since = now - timedelta(hours=store.REUSED_FOR_HOURS)
        return run, store.reuse_answers(connection, run, name=plan.name, sides=asked, since=since)


def _request_hash(source: Source, item: EvalItem) -> bytes:
    return source.request_hash(item) if isinstance(source, Endpoint) else item.prompt_hash


def _write_recorded(connection: Connection[TupleRow], plan: Plan, run: Run) -> None:
    for side, source in plan.sides.items():
        if not isinstance(source, Recorded):
            continue
        for item in plan.items:
            said = source.answers.get(item.item_id)
            is_whole = said is not None and len(said) == item.n_turns
            detail = None if said is None or is_whole else f"{len(said)} answers to {item.n_turns} turns"
            answer = Answered(
                side=side,
                item_id=item.item_id,
                answers=said if is_whole else None,
                no_answer_reason=None if is_whole else NO_ANSWER,
                no_answer_detail=detail,
                origin="recorded",
            )
            store.write_answer(connection, run, answer)


def _ask(connection: Connection[TupleRow], plan: Plan, run: Run, *, note: Callable[[str], None]) -> None:
    there = store.read_run_answers(connection, run.run_id)
    for side, source in plan.sides.items():
        if not isinstance(source, Endpoint):
            continue
        questions = [Question(side, item) for item in plan.items if there[side, item.item_id].answers is None]
        note(f"asking {source.name} {len(questions)} of {len(plan.items)} items")
        load_id = uuid5(NAMESPACE_URL, f"lqo:eval:{run.run_id}")
        keeper = _Keeper(
            connection, run, load_id, source, {each.item.item_id: each.item for each in questions}, plan.till
        )
        asyncio.run(
            ask_questions(
                questions,
                endpoint=source,
                run_id=run.run_id,
                concurrency=plan.concurrency,
                on_answer=keeper.keep,
                retry=plan.retry,
                till=plan.till,
            )
        )


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Keeps an answer, what it cost and its calls in one transaction."""

    connection: Connection[TupleRow]
    run: Run
    load_id: UUID
    endpoint: Endpoint
    items: Mapping[str, EvalItem]
    till: Till | None

    def keep(self, answered: Answered, calls: Sequence[Call]) -> None:
        with self.connection.transaction():
            if calls:
                self._land(calls)
                answered = replace(answered, cost_usd=self._settle(answered.item_id, calls))
            store.write_answer(self.connection, self.run, answered)

    def _land(self, calls: Sequence[Call]) -> None:
        origin, now = f"eval {self.run.run_id}", datetime.now(UTC)
        open_load(self.connection, self.load_id, kind="import", origin=origin)
        result = land_calls(self.connection, calls, load_id=self.load_id, origin=origin, now=now)
        count_load(self.connection, self.load_id, result)

    def _settle(self, item_id: str, calls: Sequence[Call]) -> Decimal | None:
        if self.till is None:
            return None
        return self.till.settle_answer(self.items[item_id], self.endpoint, calls)


def _benches(work: Work) -> tuple[dict[str, Bench], Bench | None]:
    """A bench a rubric, and the one that compares."""
    plan = work.plan
    benches = {
        judge.evaluator: Bench(
            work.connection,
            judge,
            version_id=version_of(work.connection, judge),
            spending=work.spending,
            redis_url=plan.redis_url,
            retry=plan.retry,
            till=plan.till,
        )
        for judge in plan.judges
    }
    if plan.pair_judge is None:
        return benches, None
    pair = Bench(
        work.connection,
        plan.pair_judge,
        version_id=version_of(work.connection, plan.pair_judge, is_pairwise=True),
        spending=work.spending,
        redis_url=plan.redis_url,
        retry=plan.retry,
        is_pairwise=True,
    )
    return benches, pair


def _used(connection: Connection[TupleRow], bench: Bench) -> JudgeUsed:
    standing = calibration_standing(connection, bench.version_id)
    return JudgeUsed(bench.evaluator, bench.version, bench.judge.model, standing, bench.version_id)
