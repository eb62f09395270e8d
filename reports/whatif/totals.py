"""What the groups add up to, by candidate and by whatever rows are told apart by."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from evaluators.usage import BUCKETS
from reports.whatif.pricing import Estimate, Group
from reports.whatif.question import Candidate

PERCENT_PLACES = Decimal("0.01")
ZERO = Decimal(0)


@dataclass(slots=True)
class Line:
    """A candidate's attempts, amounts in USD. Each is one of: compared (priced as recorded and here), new
    (priced here alone), or not priced here, for `reasons`."""

    n_attempts: int = 0
    n_compared: int = 0
    actual_usd: Decimal = ZERO
    whatif_usd: Decimal = ZERO
    n_new: int = 0
    new_usd: Decimal = ZERO
    not_priced_actual_usd: Decimal = ZERO
    reasons: Counter[str] = field(default_factory=Counter[str])
    n_uncached_tokens: int = 0
    n_foreign_tokens: int = 0
    price_version: int = 0
    sources: set[str] = field(default_factory=set[str])

    @property
    def n_not_priced(self) -> int:
        return self.reasons.total()

    @property
    def saving_usd(self) -> Decimal:
        """Of the compared attempts; negative where the candidate is dearer."""
        return self.actual_usd - self.whatif_usd

    @property
    def saving_percent(self) -> Decimal | None:
        """Of what the compared attempts cost; None where that is nothing."""
        if not self.actual_usd:
            return None
        percent = self.saving_usd / self.actual_usd * 100
        return percent.quantize(PERCENT_PLACES, rounding=ROUND_HALF_EVEN) + ZERO  # never -0.00

    def add(self, group: Group, outcome: Estimate | str) -> None:
        self.n_attempts += group.n
        if isinstance(outcome, str):
            self.reasons[outcome] += group.n
            self.not_priced_actual_usd += group.actual_usd or ZERO
            return
        if group.actual_usd is None:
            self.n_new += group.n
            self.new_usd += outcome.usd
        else:
            self.n_compared += group.n
            self.actual_usd += group.actual_usd
            self.whatif_usd += outcome.usd
        self.n_uncached_tokens += outcome.uncached_tokens
        self.n_foreign_tokens += outcome.foreign_tokens
        self.price_version = max(self.price_version, outcome.price_version)
        self.sources |= outcome.sources

    def merge(self, other: "Line") -> None:
        self.n_attempts += other.n_attempts
        self.n_compared += other.n_compared
        self.actual_usd += other.actual_usd
        self.whatif_usd += other.whatif_usd
        self.n_new += other.n_new
        self.new_usd += other.new_usd
        self.not_priced_actual_usd += other.not_priced_actual_usd
        self.reasons += other.reasons
        self.n_uncached_tokens += other.n_uncached_tokens
        self.n_foreign_tokens += other.n_foreign_tokens
        self.price_version = max(self.price_version, other.price_version)
        self.sources |= other.sources


@dataclass(slots=True)
class Recorded:
    """The traffic as it was: attempts, what they cost, why some have no price, tokens by bucket."""

    n_attempts: int = 0
    amount_usd: Decimal = ZERO
    reasons: Counter[str] = field(default_factory=Counter[str])
    tokens: Counter[str] = field(default_factory=Counter[str])

    @property
    def n_priced(self) -> int:
        return self.n_attempts - self.reasons.total()

    def add(self, group: Group) -> None:
        self.n_attempts += group.n
        self.amount_usd += group.actual_usd or ZERO
        if group.reason is not None:
            self.reasons[group.reason] += group.n
        for name, tokens in zip(BUCKETS, group.counts or (), strict=False):
            self.tokens[name] += tokens

    def merge(self, other: "Recorded") -> None:
        self.n_attempts += other.n_attempts
        self.amount_usd += other.amount_usd
        self.reasons += other.reasons
        self.tokens += other.tokens


@dataclass(slots=True)
class Totals:
    """The traffic, and a line for each candidate and tuple of names."""

    recorded: Recorded = field(default_factory=Recorded)
    lines: dict[tuple[tuple[str, ...], Candidate], Line] = field(
        default_factory=dict[tuple[tuple[str, ...], Candidate], Line]
    )

    def line(self, names: tuple[str, ...], candidate: Candidate) -> Line:
        return self.lines.setdefault((names, candidate), Line())

    def merge(self, other: "Totals") -> None:
        self.recorded.merge(other.recorded)
        for (names, candidate), line in other.lines.items():
            self.line(names, candidate).merge(line)
