"""From answers and grades to points: the incumbent's and each model's, by every rubric."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from evaluators.statistics.clusters import Floats
from evaluators.statistics.frontier import Answers, FrontierPoint, Sample, find_frontier
from orchestration.comparison.figures import Graded
from orchestration.comparison.plans import Plan
from orchestration.comparison.run import Found, JudgeUsed
from orchestration.counterfactual.claims import PAID_BEFORE
from orchestration.counterfactual.loading import Prompt
from orchestration.counterfactual.planning import Asked, Sampled
from orchestration.counterfactual.store import Measured

MIXED = "recorded"
"""The name of the incumbent where several models have answered the sample."""

_SideOf = tuple[str, Sequence[Graded], Sequence[Decimal | None], int]
"""A name, and by prompt the grades and the cost; and how many prompts were answered."""


def measure(sampled: Sampled, found: Sequence[tuple[Plan, Found]], asked: Asked) -> list[Measured]:
    """A row for each rubric and model, the incumbent first."""
    sides = [_incumbent(sampled, found), *(_candidate(sampled, plan, each) for plan, each in found)]
    sample = sample_of(sampled.prompts, sampled.draw.sizes)
    used = {each.evaluator: each for each in found[-1][1].judges}
    versions = {judge.evaluator: used[judge.evaluator] for judge in asked.judges}
    return [
        row
        for judge in asked.judges
        for row in _by_rubric(
            judge.evaluator, versions[judge.evaluator], sample, sides, price_version=asked.rates.version
        )
    ]


def sample_of(prompts: Sequence[Prompt], sizes: Mapping[str, int]) -> Sample:
    """The prompts' strata with their sizes, and the prompts that are the same."""
    names = {name: place for place, name in enumerate(sizes)}
    alike: dict[str, int] = {}
    return Sample(
        strata=np.asarray([names[prompt.stratum] for prompt in prompts], dtype=np.intp),
        clusters=np.asarray(
            [alike.setdefault(prompt.item.cluster, len(alike)) for prompt in prompts], dtype=np.intp
        ),
        sizes=np.asarray(list(sizes.values()), dtype=np.float64),
    )


def incumbent_name(prompts: Sequence[Prompt], *, candidates: Sequence[str]) -> str:
    """The model that has answered the sample; `recorded` tells it from a candidate, or stands for several."""
    models = {prompt.item.source_model or prompt.model for prompt in prompts}
    name = models.pop() if len(models) == 1 else MIXED
    return f"{name} ({MIXED})" if name in candidates else name


def _incumbent(sampled: Sampled, found: Sequence[tuple[Plan, Found]]) -> _SideOf:
    return (
        incumbent_name(sampled.prompts, candidates=[plan.sides["candidate"].name for plan, _ in found]),
        _graded_in_all([each.graded["baseline"] for _, each in found]),
        [prompt.usd for prompt in sampled.prompts],
        len(sampled.prompts),
    )


def _graded_in_all(runs: Sequence[Sequence[Graded]]) -> list[Graded]:
    """The last run has at least the grades of those before it, which judged the same answers; but why there
    is none says the run that asked, those after it only that it was paid for."""
    return [
        replace(
            last,
            unscored={
                rubric: next(
                    (
                        why
                        for run in runs
                        if (why := run[place].unscored.get(rubric, PAID_BEFORE)) != PAID_BEFORE
                    ),
                    reason,
                )
                for rubric, reason in last.unscored.items()
            },
        )
        for place, last in enumerate(runs[-1])
    ]


def _candidate(sampled: Sampled, plan: Plan, found: Found) -> _SideOf:
    answers = [found.answers["candidate", item.item_id] for item in sampled.items]
    return (
        plan.sides["candidate"].name,
        found.graded["candidate"],
        [answer.cost_usd for answer in answers],
        sum(answer.answers is not None for answer in answers),
    )


def _by_rubric(
    rubric: str, judge: JudgeUsed, sample: Sample, sides: Sequence[_SideOf], *, price_version: int
) -> list[Measured]:
    answers = [Answers(name, _grades(graded, rubric), _usd(usd)) for name, graded, usd, _ in sides]
    return [
        _measured(rubric, judge, side, answer, point, is_incumbent=place == 0, price_version=price_version)
        for place, (side, answer, point) in enumerate(
            zip(sides, answers, find_frontier(sample, answers), strict=True)
        )
    ]


def _measured(
    rubric: str,
    judge: JudgeUsed,
    side: _SideOf,
    answers: Answers,
    point: FrontierPoint,
    *,
    is_incumbent: bool,
    price_version: int,
) -> Measured:
    _, graded, usd, n_answered = side
    reasons = Counter(each.unscored[rubric] for each in graded if rubric in each.unscored)
    return Measured(
        rubric=rubric,
        is_incumbent=is_incumbent,
        evaluator_version_id=judge.version_id,
        judge_model=judge.model,
        point=point,
        n_prompts=len(graded),
        n_answered=n_answered,
        n_graded=int(np.isfinite(answers.grades).sum()),
        n_priced=int(np.isfinite(answers.usd).sum()),
        sample_usd=sum((amount for amount in usd if amount is not None), Decimal(0)),
        price_version=price_version,
        unscored=dict(sorted(reasons.items())),
    )


def _grades(graded: Sequence[Graded], rubric: str) -> Floats:
    return np.asarray([each.grades.get(rubric, np.nan) for each in graded], dtype=np.float64)


def _usd(amounts: Sequence[Decimal | None]) -> Floats:
    return np.asarray([np.nan if each is None else float(each) for each in amounts], dtype=np.float64)
