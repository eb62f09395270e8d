"""The verdicts of a rule on its windows: the same function live, for groups, and in a backtest, for moments
and groups."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

import numpy as np

from orchestration.alerts.definition.model import (
    BuiltInCondition,
    BurnRate,
    Change,
    Drop,
    Rule,
    Seasonal,
    Threshold,
)
from orchestration.alerts.engine.conditions.figures import Figures
from orchestration.alerts.engine.conditions.plain import burn_rate, change, directed, threshold
from orchestration.alerts.engine.conditions.statistical import ConditionError, drop, seasonal
from orchestration.alerts.engine.verdict import OUTCOMES, Codes, Verdict, Verdicts
from orchestration.alerts.reading.types import Floats

# What has lasted longer is how things are.
LONGEST_BASELINE = timedelta(days=30)


def judge(rule: Rule, windows: Sequence[Figures]) -> Verdicts:
    """The verdict of each group (the last axis) on the windows of `windows_of`, corrected over the groups.

    Raises ConditionError where the condition cannot be put to the metric.
    """
    match rule.condition:
        case Threshold() as condition:
            return threshold(rule, condition, windows)
        case Change() as condition:
            return change(rule, condition, windows)
        case Seasonal() as condition:
            return seasonal(rule, condition, windows)
        case BurnRate() as condition:
            return burn_rate(rule, condition, windows)
        case Drop() as condition:
            return drop(rule, condition, windows)
        case BuiltInCondition():
            raise ConditionError(f"{rule.name}: no built-in condition of that name")
        case _:
            assert_never(rule.condition)


def while_firing(
    rule: Rule, verdict: Verdict, *, baseline: float | None, since: datetime, now: datetime
) -> Verdict:
    """A drop that fires is compared with what was before it: a sliding baseline would soon take the loss in.

    `baseline` is the one it began with; after 30 days the sliding one holds again.
    """
    if not isinstance(rule.condition, Drop) or baseline is None or now - since > LONGEST_BASELINE:
        return verdict
    value = float("nan") if verdict.value is None else verdict.value
    codes = np.array([OUTCOMES.index(verdict.outcome)], dtype=np.int8)
    [code] = held_codes(rule.condition, np.array([value]), codes, baseline=baseline)
    return replace(verdict, outcome=OUTCOMES[int(code)], baseline=baseline)


def held_codes(condition: Drop, values: Floats, codes: Codes, *, baseline: float) -> Codes:
    """The outcomes of values against the baseline that was held, where enough is known to say."""
    lost = directed(values - baseline, condition.direction)
    resolve = condition.effect if condition.resolve is None else condition.resolve
    held = np.where(lost > resolve, OUTCOMES.index("holding"), OUTCOMES.index("clear"))
    is_known = codes >= OUTCOMES.index("clear")
    return np.where(is_known & np.isfinite(values), held, codes).astype(np.int8)
