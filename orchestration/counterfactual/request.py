"""What a person asks a replay for, and what of it contradicts itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from orchestration.comparison.request import Where
from orchestration.counterfactual.errors import ReplayError
from orchestration.counterfactual.strata import STRATA
from orchestration.windows import Window, day_window

NOWHERE = Where()
MOST_PROMPTS = 20_000
MOST_MODELS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A replay as it was asked for: `lqo whatif replay` and the asset's configuration, read.

    `first_day` and `last_day` are UTC, both inside. `max_usd` is what all requests together may cost, those
    of the judges too. `max_tokens` bounds each answer, `max_tokens_field` is what the models call that.
    """

    first_day: date
    last_day: date
    models: tuple[str, ...]
    max_usd: Decimal
    sample: int = 200
    seed: int = 1
    strata: tuple[str, ...] = ("model",)
    project: str | None = None
    source_model: str | None = None
    models_at: Where = NOWHERE
    judge: str | None = None
    judge_at: Where = NOWHERE
    judge_parameters: tuple[str, ...] = ()
    rubrics: tuple[str, ...] = ()
    allows_same_model: bool = False
    max_tokens: int = 1_024
    max_tokens_field: str = "max_tokens"
    temperature: float | None = None
    concurrency: int = 8

    def check(self) -> None:
        """Raise ReplayError for what cannot be, before anything is opened."""
        problems = {
            "name a model to replay through (--models a,b)": not self.models,
            f"at most {MOST_MODELS} models at once": len(self.models) > MOST_MODELS,
            "a model is named twice": len(set(self.models)) < len(self.models),
            "a rubric is named twice": len(set(self.rubrics)) < len(self.rubrics),
            "the last day is before the first": self.last_day < self.first_day,
            "the first day has not come yet": self.first_day > datetime.now(UTC).date(),
            "the budget is more than 0 USD": not (self.max_usd.is_finite() and self.max_usd > 0),
            f"the sample is 2 to {MOST_PROMPTS:,} prompts": not 2 <= self.sample <= MOST_PROMPTS,
            f"strata are of {', '.join(STRATA)}, each once": not (
                self.strata and set(self.strata) <= set(STRATA) and len(set(self.strata)) == len(self.strata)
            ),
            "answers have at least one token": self.max_tokens < 1,
            "the concurrency is between 1 and 1000": not 1 <= self.concurrency <= 1_000,
            "the temperature is between 0 and 2": self.temperature is not None
            and not 0 <= self.temperature <= 2,
            "the limit of tokens is called max_tokens or max_completion_tokens": self.max_tokens_field
            not in ("max_tokens", "max_completion_tokens"),
        }
        if problem := next((problem for problem, is_so in problems.items() if is_so), None):
            raise ReplayError(problem)

    @property
    def window(self) -> Window:
        """Its days; what lands of today after the sample was drawn is not in it."""
        return Window(day_window(self.first_day).start, day_window(self.last_day).end)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Members of each request to a model."""
        given = {"temperature": self.temperature, self.max_tokens_field: self.max_tokens}
        return {name: value for name, value in given.items() if value is not None}


def read_usd(text: str) -> Decimal:
    """An amount as a person writes it. Raises ReplayError."""
    try:
        return Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        raise ReplayError(f"{text[:40]!r} is no amount in USD") from None


def read_day(text: str) -> date:
    """A day as YYYY-MM-DD. Raises ReplayError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ReplayError(f"{text[:40]!r} is no day (YYYY-MM-DD)") from None
