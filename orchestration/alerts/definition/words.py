"""Rules in a few words, for lists and documents."""

from orchestration.alerts.definition.model import (
    BuiltInMetric,
    BurnRate,
    Change,
    Drop,
    MartMetric,
    RollingWindow,
    Rule,
    Seasonal,
    SqlMetric,
    Threshold,
)


def metric_words(rule: Rule) -> str:
    """`sum(n_error) / sum(n_calls) of calls_hourly`."""
    metric = rule.metric
    if isinstance(metric, BuiltInMetric):
        return f"built in: {metric.name}"
    if isinstance(metric, SqlMetric):
        return "a query"
    where = f" where {_one_line(metric.where)}" if metric.where else ""
    return f"{_figure(metric)} of {metric.mart}{where}"


def window_words(rule: Rule) -> str:
    """`24h`, or `this day in Asia/Seoul`."""
    window = rule.window
    if isinstance(window, RollingWindow):
        return window.span
    return f"this {window.period} in {window.time_zone}"


def condition_words(rule: Rule) -> str:
    """`above 0.25, ends at 0.2`."""
    condition = rule.condition
    if isinstance(condition, Threshold):
        way, value = ("above", condition.above) if condition.above is not None else ("below", condition.below)
        ends = "" if condition.resolve in (None, value) else f", ends at {condition.resolve:g}"
        return f"{way} {value:g}{ends}"
    if isinstance(condition, Change):
        least = [f"{condition.relative:.0%}"] if condition.relative is not None else []
        least += [f"{condition.absolute:g}"] if condition.absolute is not None else []
        return f"{_way(condition.direction)} by {' and '.join(least)} against {condition.against} before"
    if isinstance(condition, Seasonal):
        return (
            f"{_way(condition.direction)} by {condition.deviations:g} deviations and {condition.effect:.0%}"
            f" against the same time of {condition.weeks} weeks"
        )
    if isinstance(condition, BurnRate):
        budget = "its budget" if condition.budget is None else f"{condition.budget:g}"
        spans = f"{condition.long} and {condition.short}"
        return f"{budget} a {condition.period} spent {condition.factor:g} times too fast over {spans}"
    if isinstance(condition, Drop):
        return (
            f"{_way(condition.direction)} by {condition.effect:g}, beyond doubt, against {condition.baseline}"
        )
    return "its own"


def _figure(metric: MartMetric) -> str:
    if metric.kind == "percentile":
        return f"p{100 * (metric.percentile or 0):g}"
    numerator = _one_line(metric.numerator or "")
    if metric.kind == "last":
        return f"newest sum({numerator})"
    return f"sum({numerator})" + (f" / sum({_one_line(metric.denominator)})" if metric.denominator else "")


def _way(direction: str) -> str:
    return {"up": "risen", "down": "fallen", "both": "moved"}[direction]


def _one_line(text: str) -> str:
    return " ".join(text.split())
