"""From sums to the figure that a condition compares."""

from orchestration.alerts.definition.model import MartMetric, Rule
from orchestration.alerts.reading.types import Sums

QUOTIENTS = ("share", "mean", "ratio")


def value_of(rule: Rule, sums: Sums) -> float | None:
    """The rule's figure; None where nothing was measured."""
    if sums.value is not None or not isinstance(rule.metric, MartMetric):
        return sums.value
    if rule.metric.kind in QUOTIENTS:
        return sums.numerator / sums.denominator if sums.denominator else None
    return sums.numerator if sums.n or sums.denominator else None
