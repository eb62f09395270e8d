"""The frontier of a replay as it is shown: plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from evaluators.statistics.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPoint:
    """A model between quality (grades 1–5) and cost (USD per 1,000 calls), and its differences to the
    incumbent. `unscored` is reason to count, of the prompts without a grade."""

    model: str
    is_incumbent: bool
    n_prompts: int
    n_graded: int
    n_pairs: int
    grade: Estimate
    grade_difference: Estimate
    usd_per_1k: Estimate
    usd_per_1k_difference: Estimate
    represented: float
    dominated_by: tuple[str, ...]
    surely_dominated_by: tuple[str, ...]
    unscored: dict[str, int]

    @property
    def is_shown(self) -> bool:
        """Whether it has a place on the chart."""
        return self.grade.is_known and self.usd_per_1k.is_known

    @property
    def verdict(self) -> str:
        """Whether another model is better and cheaper, in words."""
        if self.surely_dominated_by:
            return f"dominated by {', '.join(self.surely_dominated_by)}"
        if self.dominated_by:
            return f"perhaps dominated by {', '.join(self.dominated_by)}"
        return "on the frontier" if self.is_shown else "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """A replay by one rubric, the incumbent first. `spent_usd` is all that the replay has cost."""

    replay_id: UUID
    rubric: str
    judge: str
    judge_version: str
    window_start: datetime
    window_end: datetime
    n_population: int
    seed: int
    outcome: str
    max_usd: Decimal
    spent_usd: Decimal
    price_version: int
    computed_at: datetime
    points: Sequence[ModelPoint]


def days_of(frontier: Frontier) -> str:
    """The UTC days of the calls, as people read them."""
    first, last = frontier.window_start.date(), (frontier.window_end - timedelta(days=1)).date()
    return str(first) if first == last else f"{first} to {last}"


def spoken(reason: str) -> str:
    """A reason why there is no grade, as people read it."""
    return reason.replace("_", " ")
