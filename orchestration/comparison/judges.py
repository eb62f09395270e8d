"""Who judges a run: a configured judge, an alias of `access.llm_models`, or a model at a base URL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.models import is_same_model
from orchestration.comparison.endpoints import EndpointUnknownError, find_endpoint
from orchestration.comparison.figures import PAIR_METRICS
from orchestration.comparison.request import Where
from orchestration.judging.judges import Judge, JudgeError, list_judges, parse_parameters, rubric_text

DEFAULT_RUBRIC = "overall"
NO_POLICY = "none"
"""Of judges that only a run asks: nobody's days or budgets are meant."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person said of the judge. Without a name the configured judges of the rubrics are meant."""

    name: str | None
    rubrics: tuple[str, ...]
    base_url: str | None
    secret_ref: str | None
    parameters: Mapping[str, Any]
    concurrency: int


class AsksJudges(Protocol):
    """What a run or a replay says of its judges; see `lqo eval run --help`."""

    @property
    def judge(self) -> str | None: ...
    @property
    def rubrics(self) -> tuple[str, ...]: ...
    @property
    def judge_at(self) -> Where: ...
    @property
    def models_at(self) -> Where: ...
    @property
    def judge_parameters(self) -> tuple[str, ...]: ...
    @property
    def allows_same_model(self) -> bool: ...
    @property
    def concurrency(self) -> int: ...


def judges_of(connection: Connection[TupleRow], asked: AsksJudges) -> tuple[Judge, ...]:
    """One judge a rubric; one that is nowhere else is where the models are. Raises as `find_judges`."""
    parameters = parse_parameters(asked.judge_parameters)
    wish = Wish(
        name=asked.judge,
        rubrics=asked.rubrics,
        base_url=asked.judge_at.base_url,
        secret_ref=asked.judge_at.secret,
        parameters={**parameters, "allows_same_model": True} if asked.allows_same_model else parameters,
        concurrency=asked.concurrency,
    )
    at = asked.models_at
    try:
        return find_judges(connection, wish)
    except EndpointUnknownError:
        if at.base_url is None:
            raise
        there = replace(wish, base_url=at.base_url, secret_ref=wish.secret_ref or at.secret)
        return find_judges(connection, there)


def find_judges(connection: Connection[TupleRow], wish: Wish) -> tuple[Judge, ...]:
    """One judge a rubric. Raises JudgeError and EndpointUnknownError."""
    configured = {judge.judge: judge for judge in list_judges(connection)}
    if wish.name is None:
        return _configured(wish, list(configured.values()))
    if (known := configured.get(wish.name)) is not None and wish.base_url is None:
        return _like(known, wish)
    endpoint = find_endpoint(connection, wish.name, base_url=wish.base_url, secret_ref=wish.secret_ref)
    template = Judge(
        judge=wish.name,
        evaluator=DEFAULT_RUBRIC,
        rubric="",
        provider=endpoint.provider,
        model=endpoint.model,
        base_url=endpoint.base_url,
        secret_ref=endpoint.secret_ref,
        parameters=dict(wish.parameters),
        policy=NO_POLICY,
        concurrency=wish.concurrency,
    )
    return tuple(_with_rubric(template, name) for name in wish.rubrics or (DEFAULT_RUBRIC,))


def refuse_own_judge(judges: Sequence[Judge], models: Sequence[str]) -> None:
    """Raise JudgeError where a judge would judge itself and was not allowed to."""
    for judge in judges:
        if not judge.spec.allows_same_model and is_same_model(judge.model, models):
            raise JudgeError(f"{judge.model} would judge itself (--allow-same-model, or another --judge)")


def _configured(wish: Wish, judges: Sequence[Judge]) -> tuple[Judge, ...]:
    """The enabled judges that are asked about the wished rubrics every day."""
    by_rubric = {judge.evaluator: judge for judge in judges if judge.is_enabled}
    wished = wish.rubrics or (DEFAULT_RUBRIC,)
    if missing := next((name for name in wished if name not in by_rubric), None):
        raise JudgeError(f"no judge is configured for {missing!r:.80}: say which model (--judge)")
    return tuple(_set(by_rubric[name], wish) for name in wished)


def _like(known: Judge, wish: Wish) -> tuple[Judge, ...]:
    """A configured judge, as it is for its own rubric; its model and parameters for others."""
    return tuple(
        _set(known, wish) if name == known.evaluator else _with_rubric(_set(known, wish), name)
        for name in wish.rubrics or (known.evaluator,)
    )


def _set(judge: Judge, wish: Wish) -> Judge:
    parameters = {**judge.parameters, **wish.parameters}
    # Somebody waits for a gate: a judge that is asked in batches is asked directly here.
    return replace(judge, parameters=parameters, concurrency=wish.concurrency, processing="direct")


def _with_rubric(judge: Judge, name: str) -> Judge:
    text, rubric = rubric_text(name)
    if rubric.name in PAIR_METRICS:
        raise JudgeError(f"{Path(name).name}: {rubric.name} is the name of a metric of pairs")
    return replace(judge, evaluator=rubric.name, rubric=text, evaluator_version_id=None)
