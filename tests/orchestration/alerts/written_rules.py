"""Rules as tests write them: what a test is about is said, the rest stands here."""

from typing import Any

import msgspec

from orchestration.alerts.definition.load import load_rules
from orchestration.alerts.definition.model import (
    BuiltInCondition,
    BuiltInMetric,
    MartMetric,
    RollingWindow,
    Rule,
    Threshold,
)

SHARE = MartMetric(
    mart="calls_hourly", kind="share", unit="share", numerator="n_error", denominator="n_calls", at="hour"
)
COUNT = MartMetric(mart="calls_hourly", kind="count", unit="calls", numerator="n_calls", at="hour")
MEAN = MartMetric(
    mart="calls_hourly", kind="mean", numerator="total", denominator="n_calls", squares="squares", at="hour"
)


def rule(**changes: Any) -> Rule:
    """A share of errors above 5 % by model in the last hour, unless told otherwise."""
    given: dict[str, Any] = {
        "name": "errors",
        "summary": "Calls fail",
        "why": "They should not",
        "metric": SHARE,
        "window": RollingWindow(span="1h"),
        "condition": Threshold(above=0.05),
        "severity": "critical",
        "owner": "platform",
        "group_by": ["model"],
        "minimum_n": 30,
        "no_data": "resolve",
    }
    return Rule(**(given | changes))


def own_rule(**changes: Any) -> Rule:
    """A rule whose verdicts a test makes by itself."""
    built_in = {"metric": BuiltInMetric(name="none"), "condition": BuiltInCondition()}
    return rule(**(built_in | changes))


def shipped(name: str, **changes: Any) -> Rule:
    """A rule of the package."""
    [found] = [one for one in load_rules() if one.name == name]
    return msgspec.structs.replace(found, **changes)
