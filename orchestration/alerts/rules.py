"""The alert rules, listed by hand: which share of a model's calls may fail, how far its grades may fall."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class ShareRule:
    """Fires for a model when its failing share is above `threshold`, beyond doubt.

    Beyond doubt: the lower end of the 95 % Wilson interval is above it, over the last `window` of
    `marts.failing_hourly`, with at least `minimum_n` scored calls. It resolves when the share itself is
    back at or below `resolve_at`, or when the model has no calls any more. `hold` is how long a breach
    must last before it fires (zero: at once).

    `threshold` is meant for the rule set that was current at `chosen_at` (None: the first one). Where calls
    were judged by another, the share is corrected by what that one adds on the same calls, so that a change
    of rules neither fires nor resolves anything. Set `chosen_at` when you choose a threshold anew.
    """

    name: str
    severity: Literal["critical", "warning"]
    threshold: float
    resolve_at: float
    window: timedelta
    minimum_n: int
    hold: timedelta = timedelta(0)
    chosen_at: datetime | None = None


RULES: tuple[ShareRule, ...] = (
    ShareRule(
        name="failing_share",
        severity="critical",
        threshold=0.25,
        # Lower than the threshold: a share that swings around one value must not page every hour.
        resolve_at=0.20,
        window=timedelta(hours=24),
        minimum_n=30,
    ),
)


@dataclass(frozen=True, slots=True)
class GradeRule:
    """Fires for a model when a judge's mean grade of it has fallen, beyond doubt.

    Beyond doubt: the 95 % interval of the difference between the newest `recent_days` (UTC, today among
    them) and the `baseline_days` before them lies below 0, with at least `minimum_n` and
    `minimum_baseline_n` scored calls of one and the same version of the judge. It must also be a fall of
    `least_drop` (in grades): with enough calls everything is beyond doubt. It resolves when the fall is at
    most `resolve_at`. While it fires, it is compared with the days before it began, for `longest`; what has
    lasted longer is how things are.
    """

    name: str
    severity: Literal["critical", "warning"]
    least_drop: float
    resolve_at: float
    recent_days: int
    baseline_days: int
    minimum_n: int
    minimum_baseline_n: int
    longest: timedelta


GRADE_RULE = GradeRule(
    name="judge_grades",
    # A judge is a sample and an opinion: it is worth a look in the morning, not a page at night.
    severity="warning",
    least_drop=0.2,
    resolve_at=0.1,
    recent_days=2,
    baseline_days=7,
    minimum_n=30,
    minimum_baseline_n=60,
    longest=timedelta(days=30),
)
