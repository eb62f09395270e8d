"""What is to be run: a dataset, one or two sides, the judges, and the gate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.retrying import RetryPolicy
from orchestration.comparison.endpoints import Endpoint
from orchestration.comparison.gate import Condition
from orchestration.comparison.items import EvalItem, Side, dataset_hash, digest_of
from orchestration.comparison.judging import Spending
from orchestration.comparison.store import Answered, Run, RunKey
from orchestration.comparison.till import Till
from orchestration.judging.judges import Judge


@dataclass(frozen=True, slots=True)
class Recorded:
    """A side that is not asked: its name, and answers by item. `models` are the models that gave them."""

    name: str
    answers: Mapping[str, tuple[str, ...]]
    models: tuple[str, ...] = ()


Source = Endpoint | Recorded


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it runs. `judges` has one judge a rubric; `pair_judge` compares, where pairs are wanted.

    `name` limits which earlier answers are taken over; `dataset` is what the person called the dataset.
    `is_fresh` asks everything anew. Where there is a `till`, nothing is sent that it does not admit.
    """

    dataset: str
    items: tuple[EvalItem, ...]
    sides: Mapping[Side, Source]
    judges: tuple[Judge, ...] = ()
    pair_judge: Judge | None = None
    name: str = ""
    concurrency: int = 8
    is_fresh: bool = False
    redis_url: str | None = None
    retry: RetryPolicy | None = None
    conditions: tuple[Condition, ...] = ()
    min_prompts: int = 0
    min_coverage: float = 0.0
    needs_calibration: bool = False
    till: Till | None = None

    @property
    def rubrics(self) -> tuple[str, ...]:
        return tuple(judge.evaluator for judge in self.judges)

    def models_of(self, side: Side, item: EvalItem) -> tuple[str, ...]:
        """The models behind a side's answer to an item, as far as that is known."""
        source = self.sides[side]
        if isinstance(source, Endpoint):
            return (source.model,)
        return source.models or ((item.source_model,) if item.source_model else ())

    @property
    def key(self) -> RunKey:
        """All that decides the result; how fast it is got is no part of it."""
        baseline = self.sides.get("baseline")
        settings = self._settings()
        hashed = dataset_hash(self.items)
        used = [*self.judges, *([self.pair_judge] if self.pair_judge else [])]
        return RunKey(
            fingerprint=digest_of([self.name, hashed.hex(), settings]),
            name=self.name,
            dataset=self.dataset,
            dataset_hash=hashed,
            n_items=len(self.items),
            candidate=self.sides["candidate"].name,
            baseline=None if baseline is None else baseline.name,
            judge_model=used[0].model if used else None,
            rubrics=self.rubrics,
            is_pairwise=self.pair_judge is not None,
            settings=settings,
        )

    def _settings(self) -> dict[str, Any]:
        pair = self.pair_judge
        return {
            "sides": {side: _identity(source) for side, source in self.sides.items()},
            "judges": [[each.evaluator, each.spec.version, each.base_url] for each in self.judges],
            "pair_judge": pair and [pair.evaluator, pair.spec.version, pair.base_url],
            "fail_if": [condition.text for condition in self.conditions],
            "min_prompts": self.min_prompts,
            "min_coverage": self.min_coverage,
            "needs_calibration": self.needs_calibration,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """A run at work: where it stands, what it has been answered, what it spends, whom it tells."""

    connection: Connection[TupleRow]
    plan: Plan
    run: Run
    answers: Mapping[tuple[Side, str], Answered]
    spending: Spending
    note: Callable[[str], None]


def _identity(source: Source) -> dict[str, Any]:
    """What decides a side's answers; no secret is part of it."""
    if isinstance(source, Recorded):
        answers = digest_of(sorted((name, list(said)) for name, said in source.answers.items()))
        return {"recorded": source.name, "answers": answers.hex()}
    return {
        "asked": source.name,
        "model": source.model,
        "base_url": source.base_url,
        "parameters": dict(source.parameters),
    }
