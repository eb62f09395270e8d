"""What a rule would have said over a span, and how much of it would have been said of nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert: when it would have begun and ended (None: it still fires), and with which figures.

    `value` and the rest are those of its beginning; `last` is the value at its end.
    """

    group: str
    fired_at: datetime
    resolved_at: datetime | None
    value: float | None
    last: float | None
    threshold: float | None
    baseline: float | None
    n: int
    q: float | None = None

    def lasted(self, *, until: datetime) -> timedelta:
        return (self.resolved_at or until) - self.fired_at


@dataclass(frozen=True, slots=True)
class NullFirings:
    """How often the rule fires where nothing ever changes: `method` says what that means."""

    method: str
    n_runs: int
    per_week: float


@dataclass(frozen=True, slots=True)
class Backtest:
    """The rule at every `step` from `start` to `end`; `n_groups` had data at some time.

    `null` is None where chance cannot be played out: the metric is no sum over a mart.
    """

    rule: str
    start: datetime
    end: datetime
    step: timedelta
    n_moments: int
    n_groups: int
    firings: tuple[Firing, ...]
    null: NullFirings | None
    short: timedelta

    @property
    def weeks(self) -> float:
        return (self.end - self.start) / WEEK

    @property
    def per_week(self) -> float:
        """Alerts a week, of all groups together."""
        return len(self.firings) / self.weeks

    @property
    def n_short(self) -> int:
        """Alerts that were over within `short`: nobody could have acted on them."""
        return sum(one.lasted(until=self.end) <= self.short for one in self.firings if one.resolved_at)
