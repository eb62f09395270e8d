"""What a rule's fields must be to one another, as far as the rule itself can tell."""

from collections.abc import Iterator
from typing import TypeAlias
from zoneinfo import ZoneInfo

from orchestration.alerts.definition.model import (
    BuiltInCondition,
    BuiltInMetric,
    BurnRate,
    CalendarWindow,
    Change,
    Drop,
    MartMetric,
    QuietHours,
    Rule,
    Seasonal,
    Threshold,
)
from orchestration.alerts.definition.refused import find_refused, sql_texts
from orchestration.alerts.definition.spans import span

# Read by the engine's own code, which brings its condition along: a baseline that depends on the alert.
ENGINE_METRICS = ("judge_grades",)
# The built-in metrics of `reading/catalogue.py` with the groups they have; a test holds both to be equal.
BUILT_IN_GROUPS: dict[str, tuple[str, ...]] = {
    "failing_share": ("model",),
    "judge_grades": ("judge", "model"),
    "budget_spent": ("scope", "subject"),
    "budget_burn": ("scope", "subject"),
    "held_hours": (),
    "dead_letters": ("reason",),
}
# Alerts that the engine, Dagster and reports tell under names of their own; a test holds them to be all.
RESERVED = (
    "alert_rules",
    "asset_check",
    "evaluator_change",
    "run_failure",
    "test_message",
    "weekly_report",
)
PERIODS = {"day": "1d", "week": "7d", "month": "28d"}

Fault: TypeAlias = tuple[str, str]


def find_faults(rule: Rule) -> Iterator[Fault]:
    """Each fault as the field's path in the rule and the reason."""
    if rule.name in RESERVED:
        yield "name", "is the name of alerts that no file writes"
    yield from _metric(rule)
    for field, text in sql_texts(rule):
        if word := find_refused(text):
            yield field, f"may not hold {word}"
    yield from _condition(rule)
    yield from _groups(rule)
    if isinstance(rule.window, CalendarWindow) and not is_zone(rule.window.time_zone):
        yield "window.time_zone", _unknown_zone(rule.window.time_zone)
    if rule.quiet_hours is not None:
        yield from _quiet_hours(rule.quiet_hours)
    if rule.runbook is not None and not rule.runbook.strip():
        yield "runbook", "is empty: leave it out"


def is_zone(name: str) -> bool:
    """Whether this machine knows the IANA time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _metric(rule: Rule) -> Iterator[Fault]:
    if isinstance(rule.metric, BuiltInMetric):
        if rule.metric.name not in BUILT_IN_GROUPS:
            yield "metric.name", f"must be one of {', '.join(sorted(BUILT_IN_GROUPS))}"
        is_engines = rule.metric.name in ENGINE_METRICS
        if is_engines != isinstance(rule.condition, BuiltInCondition):
            yield "condition.type", f"must {'' if is_engines else 'not '}be built_in for {rule.metric.name}"
        if rule.metric.chosen_at is not None and rule.metric.name != "failing_share":
            yield "metric.chosen_at", "is for failing_share"
    elif isinstance(rule.condition, BuiltInCondition):
        yield "condition.type", "built_in is for metrics that bring their condition along"
    if isinstance(rule.metric, MartMetric):
        yield from _mart_metric(rule.metric)


NEEDED = {
    "share": {"numerator", "denominator"},
    "mean": {"numerator", "denominator"},
    "ratio": {"numerator", "denominator"},
    "sum": {"numerator"},
    "count": {"numerator"},
    "last": {"numerator"},
    "percentile": {"percentile"},
}
OPTIONAL = {"mean": {"squares", "n"}, "percentile": {"n"}}
HISTOGRAMS = ("latency_hourly_histogram", "latency_daily_histogram")


def _mart_metric(metric: MartMetric) -> Iterator[Fault]:
    needed, optional = NEEDED[metric.kind], OPTIONAL.get(metric.kind, {"n"})
    for name in ("numerator", "denominator", "squares", "n", "percentile"):
        value = getattr(metric, name)
        if value is None and name in needed:
            yield f"metric.{name}", f"is missing: a {metric.kind} needs it"
        elif value is not None and name not in needed | optional:
            yield f"metric.{name}", f"does not go with a {metric.kind}"
        elif isinstance(value, str) and not value.strip():
            yield f"metric.{name}", "is empty"
    if metric.kind == "percentile" and metric.mart not in HISTOGRAMS:
        yield "metric.mart", f"a percentile is read from {' or '.join(HISTOGRAMS)}"


def _condition(rule: Rule) -> Iterator[Fault]:
    condition = rule.condition
    if isinstance(condition, Threshold):
        yield from _threshold(rule, condition)
    elif isinstance(condition, Change):
        yield from _change(rule, condition)
    elif isinstance(condition, Seasonal):
        if isinstance(rule.window, CalendarWindow):
            yield "window.type", "a seasonal condition compares rolling windows"
        elif span(rule.window.span) > span("7d"):
            yield "window.span", "must be at most 7d: the season is a week"
        yield from _minimum_n(rule, "a seasonal condition")
    elif isinstance(condition, Drop):
        yield from _drop(rule, condition)
    elif isinstance(condition, BurnRate):
        yield from _burn_rate(rule, condition)


def _threshold(rule: Rule, condition: Threshold) -> Iterator[Fault]:
    if (condition.above is None) == (condition.below is None):
        yield "condition", "needs exactly one of above and below"
        return
    if condition.resolve is not None:
        if condition.above is not None and condition.resolve > condition.above:
            yield "condition.resolve", "must be at most above"
        if condition.below is not None and condition.resolve < condition.below:
            yield "condition.resolve", "must be at least below"
    metric = rule.metric
    if isinstance(metric, MartMetric) and metric.kind in ("share", "mean") and condition.beyond_doubt:
        yield from _minimum_n(rule, f"a {metric.kind} that is compared beyond doubt")
        yield from _squares(metric)


def _change(rule: Rule, condition: Change) -> Iterator[Fault]:
    if condition.relative is None and condition.absolute is None:
        yield "condition", "needs relative, absolute or both: the least change that is told"
    for name in ("relative", "absolute", "resolve_relative"):
        if (getattr(condition, name) or 0) < 0:
            yield f"condition.{name}", "must be 0 or more: direction says which way"
    if condition.resolve_relative is not None and condition.resolve_relative > (condition.relative or 0):
        yield "condition.resolve_relative", "must be at most relative"
    if isinstance(rule.window, CalendarWindow):
        yield "window.type", "a change is between rolling windows"
    yield from _minimum_n(rule, "a change")


def _drop(rule: Rule, condition: Drop) -> Iterator[Fault]:
    metric = rule.metric
    if not isinstance(metric, MartMetric) or metric.kind not in ("share", "mean"):
        yield "metric", "a drop is of a share or a mean over a mart"
        return
    if isinstance(rule.window, CalendarWindow):
        yield "window.type", "a drop compares rolling windows"
    if condition.resolve is not None and condition.resolve > condition.effect:
        yield "condition.resolve", "must be at most effect"
    yield from _minimum_n(rule, "a drop")
    yield from _squares(metric)


def _burn_rate(rule: Rule, condition: BurnRate) -> Iterator[Fault]:
    short, long, period = (
        span(text) for text in (condition.short, condition.long, PERIODS[condition.period])
    )
    if not short < long:
        yield "condition.short", "must be shorter than long"
    if long > period:
        yield "condition.long", f"must be at most the {condition.period}"
    is_budget = isinstance(rule.metric, BuiltInMetric) and rule.metric.name == "budget_burn"
    if condition.budget is None and not is_budget:
        yield "condition.budget", "is missing: only the metric budget_burn knows budgets"
    if isinstance(rule.metric, MartMetric) and rule.metric.kind not in ("sum", "count"):
        yield "metric.kind", "a burn rate is of a sum or a count"


def _minimum_n(rule: Rule, what: str) -> Iterator[Fault]:
    if rule.minimum_n < 1:
        yield "minimum_n", f"is missing: {what} says little of a handful of calls"


def _squares(metric: MartMetric) -> Iterator[Fault]:
    if metric.kind == "mean" and metric.squares is None:
        yield "metric.squares", "is missing: without the sum of squares a mean has no interval"


def _groups(rule: Rule) -> Iterator[Fault]:
    if len(set(rule.group_by)) < len(rule.group_by):
        yield "group_by", "names a column twice"
    if isinstance(rule.metric, BuiltInMetric):
        wanted = BUILT_IN_GROUPS.get(rule.metric.name)
        if wanted is not None and tuple(rule.group_by) != wanted:
            yield "group_by", f"must be [{', '.join(wanted)}] for {rule.metric.name}"


def _quiet_hours(quiet: QuietHours) -> Iterator[Fault]:
    if quiet.start == quiet.end:
        yield "quiet_hours.end", "must differ from start"
    if quiet.start.tzinfo is not None or quiet.end.tzinfo is not None:
        yield "quiet_hours.start", "has an offset: say time_zone"
    if not is_zone(quiet.time_zone):
        yield "quiet_hours.time_zone", _unknown_zone(quiet.time_zone)
    if len(set(quiet.days)) < len(quiet.days):
        yield "quiet_hours.days", "names a day twice"


def _unknown_zone(name: str) -> str:
    return f"{name!r:.60} is no time zone of the IANA list, as Asia/Seoul"
