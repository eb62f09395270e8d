"""From what was asked for to a plan, its run, its gate, and what is stored of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.rubrics import RubricError
from ingest.access.secrets import Missing, read_secret
from ingest.settings import Settings
from orchestration.commands.paths import file_or_exit
from orchestration.comparison import store
from orchestration.comparison.answering import AskingFailedError
from orchestration.comparison.datasets import DatasetError, read_answers, read_dataset
from orchestration.comparison.endpoints import Endpoint, EndpointUnknownError, find_endpoint
from orchestration.comparison.gate import Check, Condition, GateError, check_conditions
from orchestration.comparison.items import EvalItem, Side
from orchestration.comparison.judges import judges_of, refuse_own_judge
from orchestration.comparison.plans import Plan, Recorded, Source
from orchestration.comparison.request import Request, RequestError
from orchestration.comparison.run import Found, RunningAlreadyError, run_plan
from orchestration.comparison.sampling import recent_days, sample_calls, sample_sessions
from orchestration.comparison.store import Outcome
from orchestration.comparison.summary import Summary, summarise
from orchestration.judging.judges import Judge, JudgeError

RECORDED = "recorded"


def carry_out(
    connection: Connection[TupleRow], request: Request, *, settings: Settings, note: Callable[[str], None]
) -> Summary:
    """Run what was asked for and store what it found. Raises RequestError; the connection commits by itself.

    A gate that cannot be judged is no error here: the summary says it.
    """
    with _told():
        plan = _plan(connection, request, settings=settings)
        found = run_plan(connection, plan, note=note)
    outcome, checks, problem = _judge_gate(plan, found)
    summary = summarise(plan, found, outcome=outcome, checks=checks, problem=problem)
    store.finish_run(connection, found.run, figures=msgspec.to_builtins(summary), outcome=outcome)
    return summary


@contextmanager
def _told() -> Iterator[None]:
    """What a person can act on, as one kind of error."""
    try:
        yield
    except (
        AskingFailedError,
        DatasetError,
        EndpointUnknownError,
        JudgeError,
        RubricError,
        RunningAlreadyError,
    ) as error:
        raise RequestError(str(error)) from error


def _judge_gate(plan: Plan, found: Found) -> tuple[Outcome, list[Check], str | None]:
    if not plan.conditions:
        return "measured", [], None
    try:
        checks = check_conditions(
            plan.conditions, found.measures, min_prompts=plan.min_prompts, min_coverage=plan.min_coverage
        )
    except GateError as error:
        return "not_judged", [], str(error)
    loose = [each for each in found.judges if each.standing.state != "ok"] if plan.needs_calibration else []
    checks += [_uncalibrated(each.evaluator, each.standing.state) for each in loose]
    return ("failed" if any(each.has_failed for each in checks) else "passed"), checks, None


def _uncalibrated(evaluator: str, state: str) -> Check:
    condition = Condition("--require-calibrated", evaluator, "value", "<", 0.0)
    return Check(condition, 0.0, has_failed=True, reason=f"the judge of {evaluator} is {state}")


def _plan(connection: Connection[TupleRow], request: Request, *, settings: Settings) -> Plan:
    judges = judges_of(connection, request)
    conditions = request.conditions([judge.evaluator for judge in judges])
    items = _items(connection, request)
    sides: dict[Side, Source] = {"candidate": _candidate(connection, request, items)}
    if request.has_baseline:
        sides["baseline"] = _baseline(connection, request, items)
    refuse_own_judge(judges, [model for side in sides.values() for model in _models(side)])
    _read_keys(sides, judges)
    return Plan(
        dataset=_dataset_name(request),
        items=items,
        sides=sides,
        judges=judges if request.is_graded else (),
        pair_judge=judges[0] if request.is_pairwise else None,
        name=request.name,
        concurrency=request.concurrency,
        is_fresh=request.is_fresh,
        redis_url=settings.redis_url,
        conditions=conditions,
        min_prompts=request.min_prompts,
        min_coverage=request.min_coverage,
        needs_calibration=request.needs_calibration,
    )


def _read_keys(sides: Mapping[Side, Source], judges: tuple[Judge, ...]) -> None:
    """Raise EndpointUnknownError for a key that is missing, before the first call is paid for."""
    for source in sides.values():
        if isinstance(source, Endpoint):
            source.api_key()
    for judge in judges:
        if judge.secret_ref is not None and isinstance(missing := read_secret(judge.secret_ref), Missing):
            raise EndpointUnknownError(f"the judge {judge.judge}: {missing.reason}")


def _items(connection: Connection[TupleRow], request: Request) -> tuple[EvalItem, ...]:
    if request.sampled is None:
        return read_dataset(file_or_exit(Path(request.dataset or "")))
    window = recent_days(request.days, now=datetime.now(UTC))
    take = sample_calls if request.sampled == "calls" else sample_sessions
    return take(
        connection, window, sample=request.sample, project=request.project, model=request.source_model
    )


def _dataset_name(request: Request) -> str:
    if request.sampled is None:
        return Path(request.dataset or "").name or "-"
    return f"{request.sampled} of {request.days} days"


def _candidate(connection: Connection[TupleRow], request: Request, items: tuple[EvalItem, ...]) -> Source:
    if request.answers is not None:
        return _read(request.answers, request.model, name=request.model or request.answers.name)
    if request.model is None:
        return _recorded(items)
    at = request.models_at
    return find_endpoint(
        connection, request.model, base_url=at.base_url, secret_ref=at.secret, parameters=_parameters(request)
    )


def _baseline(connection: Connection[TupleRow], request: Request, items: tuple[EvalItem, ...]) -> Source:
    if request.baseline_answers is not None:
        name = request.baseline or request.baseline_answers.name
        return _read(request.baseline_answers, request.baseline, name=name)
    if request.baseline is None:
        return _recorded(items)
    own, shared = request.baseline_at, request.models_at
    given = {"parameters": _parameters(request)}
    try:
        return find_endpoint(
            connection, request.baseline, base_url=own.base_url, secret_ref=own.secret, **given
        )
    except EndpointUnknownError:
        if own.base_url is not None or shared.base_url is None:
            raise
        secret = own.secret or shared.secret
        return find_endpoint(
            connection, request.baseline, base_url=shared.base_url, secret_ref=secret, **given
        )


def _parameters(request: Request) -> dict[str, Any]:
    given = {"temperature": request.temperature, "max_tokens": request.max_tokens}
    return {name: value for name, value in given.items() if value is not None}


def _read(path: Path, model: str | None, *, name: str) -> Recorded:
    answers = read_answers(file_or_exit(path), model=model)
    return Recorded(name, answers, (model,) if model else ())


def _recorded(items: tuple[EvalItem, ...]) -> Recorded:
    answers = {item.item_id: item.recorded for item in items if item.recorded is not None}
    if not answers:
        raise RequestError("the dataset holds no answers: say which --model, or give --answers")
    return Recorded(RECORDED, answers)


def _models(source: Source) -> tuple[str, ...]:
    return source.models if isinstance(source, Recorded) else (source.model,)
