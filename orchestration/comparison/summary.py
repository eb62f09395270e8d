"""What a run found, as it is stored and shown: plain values that go into JSON and come back."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from orchestration.comparison.figures import Graded, count_unscored, count_unsettled
from orchestration.comparison.gate import Check
from orchestration.comparison.items import EvalItem, Side
from orchestration.comparison.measures import Measure
from orchestration.comparison.plans import Plan
from orchestration.comparison.run import Found, JudgeUsed
from orchestration.comparison.store import Outcome

MOST_SHOWN = 10


class Figure(msgspec.Struct, frozen=True):
    """A measure; None where there is nothing to say."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_prompts: int
    n_eligible: int


class SideSummary(msgspec.Struct, frozen=True):
    """A side: its name and tokens, how its answers came (asked, reused, recorded), or why there is none."""

    name: str
    answers: dict[str, int]
    tokens: int | None


class JudgeSummary(msgspec.Struct, frozen=True):
    """A judge, its version, and how far people's labels bear it out."""

    evaluator: str
    version: str
    model: str
    calibration: str
    reasons: list[str]


class CheckSummary(msgspec.Struct, frozen=True):
    """A condition of the gate and what became of it."""

    condition: str
    has_failed: bool
    reason: str


class Change(msgspec.Struct, frozen=True):
    """An item that the two sides did differently well."""

    item_id: str
    rubric: str
    baseline: float
    candidate: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is stored. `unscored` is side to rubric to reason to count, `unsettled` the same of pairs;
    `judge_calls` were paid in this run, `judge_reused` were there already."""

    run_id: str
    name: str
    dataset: str
    started_at: datetime
    n_items: int
    n_prompts: int
    candidate: SideSummary
    baseline: SideSummary | None
    judges: list[JudgeSummary]
    measures: dict[str, Figure]
    unscored: dict[str, dict[str, dict[str, int]]]
    unsettled: dict[str, int]
    judge_calls: int
    judge_reused: int
    judge_usd: str
    judge_unpriced: int
    outcome: Outcome
    checks: list[CheckSummary]
    problem: str | None
    changes: list[Change]


def summarise(
    plan: Plan, found: Found, *, outcome: Outcome, checks: Sequence[Check], problem: str | None
) -> Summary:
    """The run as it is stored; `problem` says why the gate could not be judged."""
    sides = {side: _side(plan, found, side) for side in plan.sides}
    spending = found.spending
    return Summary(
        run_id=str(found.run.run_id),
        name=plan.name,
        dataset=plan.dataset,
        started_at=found.run.started_at,
        n_items=len(plan.items),
        n_prompts=len({item.cluster for item in plan.items}),
        candidate=sides["candidate"],
        baseline=sides.get("baseline"),
        judges=[_judge(each) for each in found.judges],
        measures={name: _figure(measure) for name, measure in found.measures.items()},
        unscored={
            side: counts
            for side, graded in found.graded.items()
            if (counts := count_unscored(graded, rubrics=plan.rubrics))
        },
        unsettled=count_unsettled(found.compared),
        judge_calls=spending.asked,
        judge_reused=spending.reused,
        judge_usd=format(spending.usd, "f"),
        judge_unpriced=spending.unpriced,
        outcome=outcome,
        checks=[CheckSummary(each.condition.text, each.has_failed, each.reason) for each in checks],
        problem=problem,
        changes=_changes(plan, found),
    )


def _judge(used: JudgeUsed) -> JudgeSummary:
    standing = used.standing
    return JudgeSummary(used.evaluator, used.version, used.model, standing.state, list(standing.reasons))


def _side(plan: Plan, found: Found, side: Side) -> SideSummary:
    given = [found.answers[side, item.item_id] for item in plan.items]
    came = Counter(
        (each.origin or "asked") if each.answers is not None else (each.no_answer_reason or "no_answer")
        for each in given
    )
    tokens = [each.usage["total_tokens"] for each in given if each.usage and "total_tokens" in each.usage]
    return SideSummary(plan.sides[side].name, dict(sorted(came.items())), sum(tokens) if tokens else None)


def _figure(measure: Measure) -> Figure:
    ends = (_finite(end) for end in (measure.value, measure.low, measure.high))
    return Figure(*ends, n=measure.n, n_prompts=measure.n_prompts, n_eligible=measure.n_eligible)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _changes(plan: Plan, found: Found) -> list[Change]:
    """The items that changed most, regressions first, at most ten."""
    if "baseline" not in found.graded:
        return []
    ours, theirs = found.graded["candidate"], found.graded["baseline"]
    changed = [
        change
        for item, new, old in zip(plan.items, ours, theirs, strict=True)
        for change in _changed(item, new, old)
    ]
    changed.sort(key=lambda each: (each.candidate - each.baseline, each.item_id))
    return changed if len(changed) <= MOST_SHOWN else [*changed[: MOST_SHOWN - 3], *changed[-3:]]


def _changed(item: EvalItem, new: Graded, old: Graded) -> list[Change]:
    return [
        Change(item.item_id, rubric, old.grades[rubric], grade)
        for rubric, grade in new.grades.items()
        if rubric in old.grades and old.grades[rubric] != grade
    ]
