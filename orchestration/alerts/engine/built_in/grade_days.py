"""A judge's grades of a model, newest days against those before: the comparison behind `judge_grades`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from evaluators.statistics.differences import difference
from evaluators.statistics.estimate import Estimate, unknown
from evaluators.versions.shift import mix

# Grades go from 1 to 5.
WIDEST = 4.0


@dataclass(frozen=True, slots=True)
class GradeLimits:
    """When a fall of a judge's mean grade is one.

    Beyond doubt: the 95 % interval of the difference between the newest `recent_days` (UTC, today among
    them) and the `baseline_days` before them lies below 0, with at least `minimum_n` and
    `minimum_baseline_n` scored calls of one and the same version of the judge. It must also be a fall of
    `least_drop` (in grades): with enough calls everything is beyond doubt. It ends when the fall is at most
    `resolve_at`. While it fires, it is compared with the days before it began, for `longest`; what has lasted
    longer is how things are.
    """

    least_drop: float
    resolve_at: float
    recent_days: int
    baseline_days: int
    minimum_n: int
    minimum_baseline_n: int
    longest: timedelta


LIMITS = GradeLimits(
    least_drop=0.2,
    resolve_at=0.1,
    recent_days=2,
    baseline_days=7,
    minimum_n=30,
    minimum_baseline_n=60,
    longest=timedelta(days=30),
)


@dataclass(frozen=True, slots=True)
class DayGrade:
    """The mean grade of a day's calls of one project, and how many stand behind it."""

    day: date
    n_scored: int
    n_clusters: int
    mean: float
    low: float | None
    high: float | None

    @property
    def estimate(self) -> Estimate:
        """Where all said the same there is no interval: one more content at the other end of the scale
        would move the mean by as much as is taken for it here."""
        doubt = WIDEST / (self.n_clusters + 1)
        low = self.mean - doubt if self.low is None else self.low
        high = self.mean + doubt if self.high is None else self.high
        return Estimate(self.mean, low, high, self.n_clusters)


@dataclass(frozen=True, slots=True)
class Fall:
    """Recent grades against those before: means with their n, and the change with its 95 % interval."""

    recent: Estimate
    before: Estimate
    change: Estimate

    @property
    def drop(self) -> float:
        """Grades lost; NaN where either side has none."""
        return -self.change.value

    @property
    def told(self) -> float | None:
        """The change as it is stored."""
        return self.change.value if self.change.is_known else None


def compare(days: Iterable[DayGrade], *, limits: GradeLimits, now: datetime, since: datetime | None) -> Fall:
    """The newest days against those before them, or before the alert that fires `since` then."""
    today = now.astimezone(UTC).date()
    is_fresh = since is None or now - since > limits.longest
    begun = today if is_fresh or since is None else since.astimezone(UTC).date()
    last_before = begun - timedelta(days=limits.recent_days)
    first_before = last_before - timedelta(days=limits.baseline_days)
    held = list(days)
    recent = _mean([one for one in held if today - timedelta(days=limits.recent_days) < one.day <= today])
    before = _mean([one for one in held if first_before < one.day <= last_before])
    is_known = recent.is_known and before.is_known
    return Fall(recent, before, difference(recent, before) if is_known else unknown())


def is_breach(limits: GradeLimits, fall: Fall) -> bool:
    """Whether the fall is beyond doubt and worth a word."""
    return (
        fall.recent.n >= limits.minimum_n
        and fall.before.n >= limits.minimum_baseline_n
        and fall.change.high < 0
        and fall.drop >= limits.least_drop
    )


def is_over(limits: GradeLimits, fall: Fall) -> bool:
    """Whether what fires may end; it goes on while too little is known to end it."""
    if 0 < fall.recent.n < limits.minimum_n:
        return False
    return not fall.change.is_known or fall.drop <= limits.resolve_at


def _mean(days: Sequence[DayGrade]) -> Estimate:
    """All days as one, each by the contents it has; `n` is the scored calls."""
    if not days:
        return unknown()
    found = mix([(one.n_clusters, one.estimate) for one in days])
    return Estimate(found.value, found.low, found.high, sum(one.n_scored for one in days))
