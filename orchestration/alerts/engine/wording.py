"""What a transition says, in a line: the figure, what stands behind it, and what it was compared with."""

from orchestration.alerts.definition.model import (
    BurnRate,
    CalendarWindow,
    Change,
    Drop,
    Rule,
    Seasonal,
    Threshold,
)
from orchestration.alerts.engine.verdict import Verdict
from reports.alerting.figures import figure

_UNITS = {"s": "s", "m": "min", "h": "h", "d": "days", "w": "weeks"}


def told(rule: Rule, subject: str, verdict: Verdict, *, reason: str | None = None) -> str:
    """`gpt-4o: 31.2% of 840 calls in the last 24 h (95 % interval …, threshold 25.0%)`."""
    if verdict.told is not None:
        return f"{subject}: {verdict.told}"
    if reason is not None or verdict.value is None:
        return f"{subject}: {reason or 'no data at the moment'}"
    details = ", ".join(_details(rule, verdict))
    return f"{subject}: {_value(rule, verdict)}{_behind(rule, verdict)} {window_words(rule)} ({details})"


def window_words(rule: Rule) -> str:
    """`in the last 24 h`, `this month (Europe/Berlin)`."""
    if isinstance(rule.condition, BurnRate):
        return f"in the last {_span(rule.condition.long)} and {_span(rule.condition.short)}"
    if isinstance(rule.window, CalendarWindow):
        zone = "" if rule.window.time_zone == "UTC" else f" ({rule.window.time_zone})"
        return "today" + zone if rule.window.period == "day" else f"this {rule.window.period}{zone}"
    return f"in the last {_span(rule.window.span)}"


def _value(rule: Rule, verdict: Verdict) -> str:
    value = verdict.value or 0.0
    if isinstance(rule.condition, BurnRate):
        return f"{value:.1f} times the budget's pace"
    return figure(value, rule.metric.unit)


def _behind(rule: Rule, verdict: Verdict) -> str:
    """How many calls stand behind the figure; of calls themselves, how many they are of."""
    if rule.metric.unit == "calls" and not isinstance(rule.condition, BurnRate):
        return f" of {verdict.n:,}" if verdict.n > (verdict.value or 0) else ""
    return f" over {verdict.n:,} calls" if verdict.n else ""


def _details(rule: Rule, verdict: Verdict) -> list[str]:
    unit = rule.metric.unit
    found: list[str] = []
    interval = None
    if verdict.low is not None and verdict.high is not None:
        interval = f"{figure(verdict.low, unit)} to {figure(verdict.high, unit)}"
    match rule.condition:
        case Threshold():
            found += [f"95 % interval {interval}"] if interval else []
        case Change(against=against) if verdict.baseline is not None:
            found.append(f"{figure(verdict.baseline, unit)} {_span(against)} before")
        case Seasonal(weeks=weeks) if verdict.baseline is not None:
            found.append(f"{figure(verdict.baseline, unit)} is usual at this time of the last {weeks} weeks")
            found += [f"usually {interval}"] if interval else []
        case Drop(baseline=baseline) if verdict.baseline is not None:
            found.append(f"{figure(verdict.baseline, unit)} in the {_span(baseline)} before")
            found += [f"95 % interval of the difference {interval}"] if interval else []
            found += [f"q {verdict.q:.2g} among the rule's groups"] if verdict.q is not None else []
        case BurnRate(period=period) if verdict.baseline is not None:
            found.append(f"budget {figure(verdict.baseline, unit)} a {period}")
        case _:
            pass
    if verdict.threshold is not None and not isinstance(rule.condition, BurnRate):
        found.append(f"threshold {figure(verdict.threshold, unit)}")
    elif verdict.threshold is not None:
        found.append(f"threshold {verdict.threshold:g} times")
    return found or ["no threshold"]


def _span(text: str) -> str:
    number, unit = text[:-1], _UNITS[text[-1]]
    return f"{number} {unit.removesuffix('s') if number == '1' and len(unit) > 2 else unit}"
