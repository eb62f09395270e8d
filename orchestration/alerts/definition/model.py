"""An alert rule as it is written in YAML: what is measured, over which window, by what, and when it fires."""

from datetime import datetime, time
from typing import Annotated, Literal

import msgspec

Severity = Literal["critical", "warning", "info"]
Direction = Literal["up", "down", "both"]
# What a value is, for its words and its interval: a share has hits of n, a mean a spread, the rest neither.
Kind = Literal["share", "mean", "sum", "count", "ratio", "percentile", "last"]
Unit = Literal["share", "usd", "ms", "grade", "calls", "tokens", "seconds", "number"]

# "90s", "10m", "24h", "7d", "4w"; in seconds once it is read.
Span = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[1-9][0-9]{0,4}[smhdw]$", extra={"means": "a whole number and s, m, h, d or w, as 24h"}
    ),
]
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        extra={"means": "a name of at most 63 lower-case letters, digits and _ that begins with a letter"},
    ),
]


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a rule; an unknown field is an error, since it is most likely a misspelt one."""


class MartMetric(Struct, frozen=True, tag="mart", tag_field="type"):
    """A figure over the rows of one mart (or its columns' SQL): sum(numerator) / sum(denominator).

    `numerator` and `denominator` are SQL expressions over a row's columns that add up over rows, so that any
    window is the sum of its hours; `n` (default: the denominator) is how many calls stand behind the value.
    A mean with `squares` (the sum of squares) has a spread. A percentile reads a mart of mergeable buckets.
    """

    mart: Name
    kind: Kind
    unit: Unit = "number"
    numerator: str | None = None
    denominator: str | None = None
    squares: str | None = None
    n: str | None = None
    at: Name | None = None
    where: str | None = None
    percentile: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None


class SqlMetric(Struct, frozen=True, tag="sql", tag_field="type"):
    """A query with the parameters %(start)s and %(end)s: the group's columns, `value`, and `n`.

    With `low` and `high` it brings its own 95 % interval. It runs read-only, with rights on the marts alone,
    and for at most 15 seconds.
    """

    query: str
    unit: Unit = "number"


class BuiltInMetric(Struct, frozen=True, tag="built_in", tag_field="type"):
    """A figure that needs more than SQL says: the failing share across versions, a judge's grades.

    `chosen_at` is for `failing_share` alone: its threshold is meant for the rule set that was current then
    (None: the first one). Calls that another one judged are corrected by what that one adds on the same
    calls, so a change of rules neither fires nor resolves anything. Set it when you choose a threshold anew.
    """

    name: Name
    unit: Unit = "number"
    chosen_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class RollingWindow(Struct, frozen=True, tag="rolling", tag_field="type"):
    """The last `span` before now."""

    span: Span


class CalendarWindow(Struct, frozen=True, tag="calendar", tag_field="type"):
    """The day, week (from Monday) or month that now lies in, from its start in `time_zone` (IANA) on."""

    period: Literal["hour", "day", "week", "month"]
    time_zone: str = "UTC"


class Threshold(Struct, frozen=True, tag="threshold", tag_field="type"):
    """Above or below a value; for a share or mean, by default beyond doubt: its 95 % interval lies there.

    `resolve` is where it ends (default: the threshold): a value that swings around one must not page again.
    """

    above: float | None = None
    below: float | None = None
    resolve: float | None = None
    beyond_doubt: bool = True


class Change(Struct, frozen=True, tag="change", tag_field="type"):
    """Against the window of the same length that ended `against` ago, by a share of it and by an amount."""

    against: Span
    direction: Direction = "up"
    relative: float | None = None
    absolute: float | None = None
    resolve_relative: float | None = None


class Seasonal(Struct, frozen=True, tag="seasonal", tag_field="type"):
    """Against the median of the same window of the last `weeks` weeks, in robust standard deviations.

    The spread is 1.4826 times the median absolute deviation (Rousseeuw and Croux 1993), at least
    `least_spread` of the median; `effect` is the least change, as a share of the median.
    """

    weeks: Annotated[int, msgspec.Meta(ge=2, le=12)] = 4
    deviations: Annotated[float, msgspec.Meta(gt=0)] = 4.0
    direction: Direction = "both"
    effect: Annotated[float, msgspec.Meta(ge=0)] = 0.2
    least_spread: Annotated[float, msgspec.Meta(ge=0)] = 0.05


class BurnRate(Struct, frozen=True, tag="burn_rate", tag_field="type"):
    """A budget that is spent `factor` times too fast over both windows (Google's SRE workbook, chapter 5).

    `budget` is an amount per `period`, in the metric's unit; None: each key's or project's own budget.
    """

    period: Literal["day", "week", "month"]
    long: Span
    short: Span
    factor: Annotated[float, msgspec.Meta(gt=0)]
    budget: Annotated[float, msgspec.Meta(gt=0)] | None = None


class Drop(Struct, frozen=True, tag="drop", tag_field="type"):
    """A statistical change against the `baseline` before the window: beyond doubt, and by at least `effect`.

    Two proportions or two means; the p-values of a rule's groups are corrected together (Benjamini and
    Hochberg 1995).
    """

    baseline: Span
    effect: Annotated[float, msgspec.Meta(gt=0)]
    direction: Direction = "down"
    alpha: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.05
    resolve: Annotated[float, msgspec.Meta(ge=0)] | None = None


class BuiltInCondition(Struct, frozen=True, tag="built_in", tag_field="type"):
    """The condition that a built-in metric brings along."""


class QuietHours(Struct, frozen=True):
    """From and until a time of day, in `time_zone`: what starts meanwhile is told when they end."""

    start: time
    end: time
    time_zone: str = "UTC"
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = []
    except_critical: bool = True


class Rule(Struct, frozen=True):
    """One alert rule. `why` is its reason and `limits` what it cannot see: both are its documentation.

    `hold` is how long a breach must last before it fires, `keep_firing` how long it fires on after it.
    """

    name: Name
    summary: str
    why: str
    metric: MartMetric | SqlMetric | BuiltInMetric
    window: RollingWindow | CalendarWindow
    condition: Threshold | Change | Seasonal | BurnRate | Drop | BuiltInCondition
    severity: Severity
    owner: str
    limits: str = ""
    group_by: list[Name] = []
    minimum_n: Annotated[int, msgspec.Meta(ge=0)] = 0
    hold: Annotated[Span | None, msgspec.Meta(description="how long a breach must last before it fires")] = (
        None
    )
    keep_firing: Annotated[Span | None, msgspec.Meta(description="how long it fires on after the breach")] = (
        None
    )
    no_data: Literal["resolve", "keep", "fire"] = "keep"
    quiet_hours: QuietHours | None = None
    channels: list[str] = []
    labels: dict[Name, str] = {}
    runbook: str | None = None
    enabled: bool = True


class RuleFile(Struct, frozen=True):
    """A file of rules; `version` is of this language."""

    version: Literal[1]
    rules: list[Rule]
