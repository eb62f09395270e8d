"""What the report says, read from the marts: every figure with its n and the version that made it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from evaluators.statistics.differences import difference
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.wilson import wilson
from reports.weekly.week import Week

NOT_ENOUGH = "not enough data"
_OF_IMPORTED = {"better": "higher", "worse": "lower"}


@dataclass(frozen=True, slots=True)
class Share:
    """`n_hits` of `n`, with the versions (rule sets) that judged them."""

    n_hits: int
    n: int
    versions: tuple[str, ...] = ()

    @property
    def estimate(self) -> Estimate:
        """With its 95 % Wilson interval; unknown where nothing was counted."""
        return wilson(self.n_hits, self.n)

    def minus(self, other: "Share") -> Estimate:
        """The difference to another, independent share, with Newcombe's interval."""
        return difference(self.estimate, other.estimate)


@dataclass(frozen=True, slots=True)
class Traffic:
    """A span's calls by how they ended."""

    n_calls: int = 0
    n_error: int = 0
    n_cut: int = 0

    @property
    def errors(self) -> Share:
        return Share(self.n_error, self.n_calls)


@dataclass(frozen=True, slots=True)
class TrafficDay:
    day: date
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class FailingDay:
    """A day's failing share by one rule set (and, for lines of a model, of that model)."""

    day: date
    share: Share


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds, of `n` calls that ended well; from mergeable histograms, at most 1 % off."""

    n: int
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class LatencyDay:
    day: date
    latency: Latency


@dataclass(frozen=True, slots=True)
class Cost:
    """USD of the priced calls; None where none is priced. `price_version` is the newest one used."""

    n_priced: int = 0
    n_unpriced: int = 0
    amount_usd: Decimal | None = None
    failed_attempts_usd: Decimal | None = None
    price_version: int | None = None

    @property
    def per_thousand_usd(self) -> Decimal | None:
        if self.amount_usd is None or not self.n_priced:
            return None
        return 1000 * self.amount_usd / self.n_priced


@dataclass(frozen=True, slots=True)
class CostDay:
    """A day's priced amount of one model."""

    day: date
    model: str
    amount_usd: Decimal
    n_priced: int


@dataclass(frozen=True, slots=True)
class JudgeCost:
    """What asking a judge cost in the week."""

    judge: str
    evaluator: str
    evaluator_version: str
    cost: Cost


@dataclass(frozen=True, slots=True)
class ModelWeek:
    """A model in the week and, for its failures, in the week before."""

    model: str
    traffic: Traffic
    failing: Share
    failing_before: Share
    failing_days: tuple[FailingDay, ...]
    latency: Latency
    cost: Cost


@dataclass(frozen=True, slots=True)
class Difference:
    """A model's figure less that of the others on one `basis`; the estimate's n is of what was compared."""

    basis: str
    estimate: Estimate
    verdict: str

    @property
    def is_enough(self) -> bool:
        return self.estimate.is_known and self.verdict != NOT_ENOUGH


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model against all others of the week by one evaluator's version, as `marts.compare_models` has it.

    `measure` is fail_rate (lower is better) or mean_score (higher is; of kind `external`, scores that came
    with an import, nobody knows). Differences are the model's less the others': as the traffic came, at equal
    traffic (prompt class, language, length), on equal prompts.
    """

    evaluator: str
    version: str
    measure: str
    model: str
    kind: str
    estimate: Estimate
    mix_coverage: float | None
    as_it_came: Difference
    equal_traffic: Difference
    equal_prompts: Difference

    @property
    def fairest(self) -> Difference:
        """What the verdict rests on: equal prompts before equal traffic before the traffic as it came."""
        fair = (self.equal_prompts, self.equal_traffic, self.as_it_came)
        return next((one for one in fair if one.is_enough), self.as_it_came)

    @property
    def verdict(self) -> str:
        """That of the fairest. Toxicity is imported like helpfulness: such scores are higher or lower."""
        found = self.fairest.verdict
        return _OF_IMPORTED.get(found, found) if self.kind == "external" else found


@dataclass(frozen=True, slots=True)
class EvaluatorWeek:
    """One version of an evaluator in the week: the ledger, and for rules what failed."""

    evaluator: str
    version: str
    kind: str
    n_eligible: int
    n_unscored: int
    n_sampled_out: int
    n_pending: int
    n_scored: int
    n_failed: int | None
    before: Share
    reasons: tuple[tuple[str, int], ...]

    @property
    def failing(self) -> Share | None:
        """None for judges: a grade of 1 to 5 is not passed or failed."""
        return None if self.n_failed is None else Share(self.n_failed, self.n_scored)

    @property
    def coverage(self) -> Share:
        return Share(self.n_scored, self.n_eligible)


@dataclass(frozen=True, slots=True)
class JudgeDay:
    """A day's weighted mean grade by a judge's version; `coverage` is what it scored of the day's calls.

    Of kind `external` are scores that came with an import, each on a scale of its own.
    """

    day: date
    evaluator: str
    version: str
    mean: Estimate
    coverage: Share
    kind: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far people agree with a version of an evaluator; `state` is uncalibrated, ok or degraded."""

    evaluator: str
    version: str
    state: str
    kappa: Estimate


@dataclass(frozen=True, slots=True)
class PromptWeek:
    """A prompt of callers in the week; `versions` of `failing` are the rule sets."""

    project: str
    name: str
    version: str
    n_calls: int
    failing: Share
    amount_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """What the marts know: up to when, and whether the week's last day is closed (None: no day ever was)."""

    newest_hour: datetime | None
    n_hours_waiting: int
    last_closed_day: date | None


@dataclass(frozen=True, slots=True)
class Boundary:
    """A moment at which another version of an evaluator took over; the shift is its bridge's."""

    at: datetime
    evaluator: str
    from_version: str | None
    to_version: str | None
    shift: Estimate


@dataclass(frozen=True, slots=True)
class Incident:
    """An alert that fired in the week or went on into it. `ended_at` is None while it goes on."""

    rule: str
    group: str
    severity: str
    began_at: datetime
    ended_at: datetime | None
    value: float | None
    threshold: float | None
    n: int | None
    message: str
    was_silenced: bool


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """A column of a day against the seven days before it. `value` is None with a `reason`."""

    day: date
    column: str
    method: str | None
    value: float | None
    threshold: float | None
    is_drift: bool
    n_days_in_row: int
    n_current: int
    n_reference: int
    median_current: float | None
    median_reference: float | None
    reason: str | None
    evidently_version: str


@dataclass(frozen=True, slots=True)
class Figures:
    """All that stands in the report of a week. Lists of days reach back to `week.chart_start`.

    `incidents` are some of `n_incidents`, where there are very many.
    """

    week: Week
    made_at: datetime
    freshness: Freshness
    traffic: Traffic
    traffic_before: Traffic
    traffic_days: tuple[TrafficDay, ...]
    failing: Share
    failing_before: Share
    failing_days: tuple[FailingDay, ...]
    latency: Latency
    latency_before: Latency
    latency_days: tuple[LatencyDay, ...]
    cost: Cost
    cost_before: Cost
    cost_days: tuple[CostDay, ...]
    judge_costs: tuple[JudgeCost, ...]
    models: tuple[ModelWeek, ...]
    comparisons: tuple[Comparison, ...]
    evaluators: tuple[EvaluatorWeek, ...]
    calibrations: tuple[Calibration, ...]
    judge_days: tuple[JudgeDay, ...]
    prompts: tuple[PromptWeek, ...]
    boundaries: tuple[Boundary, ...]
    incidents: tuple[Incident, ...]
    n_incidents: int
    n_incidents_open: int
    drift: tuple[DriftFinding, ...]

    @property
    def chart_days(self) -> tuple[date, ...]:
        """The week's days and the whole weeks before it, at most three, that had a call."""
        known = [found.day for found in self.traffic_days]
        first = min([*known, self.week.first_day])
        return tuple(day for day in self.week.chart_days if day >= first - timedelta(days=first.weekday()))

    def may_rank(self, one: Comparison) -> bool:
        """Whether people's labels bear the evaluator out, as a judge that ranks models needs it."""
        states = {(found.evaluator, found.version): found.state for found in self.calibrations}
        return one.kind in ("rule", "human") or states.get((one.evaluator, one.version)) == "ok"

    @property
    def is_over(self) -> bool:
        return self.made_at >= self.week.end

    @property
    def is_closed(self) -> bool:
        """Whether every call of the week is in, as far as every spool can say."""
        closed = self.freshness.last_closed_day
        return closed is not None and closed >= self.week.last_day
