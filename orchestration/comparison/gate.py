"""The release gate: conditions such as `overall<-0.1`, read strictly, held against what was measured.

A gate that cannot be judged never passes: an unknown or unmeasured metric is an error, too few prompts or
too low a coverage fails.
"""

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from orchestration.comparison.measures import Measure

Part = Literal["value", "low", "high"]
Operator = Literal["<", "<=", ">", ">="]

MIN_PROMPTS: Final = 20
MIN_COVERAGE: Final = 0.8

_CONDITION = re.compile(
    r"\s*([a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9_-]*)*)\s*(<=|>=|<|>)\s*([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}))\s*",
    re.ASCII,
)
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PARTS: Final[Mapping[str, Part]] = {"low": "low", "high": "high"}
# Means of grades are sums of binary fractions: -0.1 may come out as -0.10000000000000009.
_DIGITS = 9


class GateError(ValueError):
    """A condition that does not parse, or a metric that is not there; the message is one line."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The gate fails if `metric` (its value, or an end of its 95 % interval) stands so to `bound`."""

    text: str
    metric: str
    part: Part
    sign: Operator
    bound: float


@dataclass(frozen=True, slots=True)
class Check:
    """What became of a condition; `reason` says why in one line, for both results."""

    condition: Condition
    measured: float
    has_failed: bool
    reason: str


def parse_condition(text: str, *, metrics: Collection[str]) -> Condition:
    """`NAME<NUMBER`, `NAME.low>=NUMBER`: one of `metrics`, `.low` or `.high` of it; `<`, `<=`, `>`, `>=`.

    Raises GateError for anything else.
    """
    if not (given := _CONDITION.fullmatch(text)):
        raise GateError(f"a condition must be such as overall<-0.1 or win_rate.low<0.5, not {text[:100]!r}")
    name, sign, number = given.groups()
    head, _, last = name.rpartition(".")
    part = _PARTS.get(last, "value")
    metric = name if part == "value" else head
    if metric not in metrics:
        raise GateError(
            f"{metric[:60]!r} is not measured by this run; it measures {', '.join(sorted(metrics))}"
        )
    return Condition(text=text.strip(), metric=metric, part=part, sign=sign, bound=float(number))  # pyright: ignore[reportArgumentType]


def check_conditions(
    conditions: Sequence[Condition],
    measures: Mapping[str, Measure],
    *,
    min_prompts: int = MIN_PROMPTS,
    min_coverage: float = MIN_COVERAGE,
) -> list[Check]:
    """Hold every condition against the measures. Raises GateError for one whose metric has no figure."""
    return [
        _check(each, measures.get(each.metric), min_prompts=min_prompts, min_coverage=min_coverage)
        for each in conditions
    ]


def _check(condition: Condition, measure: Measure | None, *, min_prompts: int, min_coverage: float) -> Check:
    if measure is None or measure.n == 0:
        why = "" if measure is None else f" (0 of {measure.n_eligible} scored)"
        raise GateError(f"{condition.metric} was not measured{why}")
    measured: float = getattr(measure, condition.part)
    if measure.n_prompts < min_prompts:
        reason = f"too few prompts: {measure.n_prompts} measured, {min_prompts} are needed"
        return Check(condition, measured, has_failed=True, reason=reason)
    if measure.coverage < min_coverage:
        share = f"{measure.n} of {measure.n_eligible} ({measure.coverage:.0%})"
        reason = f"too low a coverage: {share} scored, {min_coverage:.0%} are needed"
        return Check(condition, measured, has_failed=True, reason=reason)
    if not math.isfinite(measured):
        raise GateError(
            f"{condition.metric} has no {condition.part}: {measure.n_prompts} prompts give no interval"
        )
    has_failed = _COMPARE[condition.sign](round(measured, _DIGITS), condition.bound)
    name = condition.metric if condition.part == "value" else f"{condition.metric}.{condition.part}"
    return Check(condition, measured, has_failed=has_failed, reason=f"{name} is {measured:.4f}")
