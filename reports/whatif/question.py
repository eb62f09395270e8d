"""What is asked: which recorded calls, at which other models or tiers, and what is taken for granted."""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final, Literal, get_args

Dimension = Literal[
    "day", "month", "provider", "model", "tier", "project", "environment", "key", "prompt", "prompt_version",
    "purpose",
]  # fmt: skip
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)

RECORDED: Final = "recorded"
"""As a candidate: every call's own model."""
PRODUCT: Final = ("product", "demo")
"""The purposes that marts count as traffic; judges and replays are asked for by name."""


class WhatIfError(ValueError):
    """The question has no meaning; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The charged attempts of calls of UTC days, both inclusive. An empty filter asks for all; `(none)` finds
    calls without a project, environment, key or prompt. Providers and models are those that were charged."""

    first: date
    last: date
    providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    prompt_versions: tuple[str, ...] = ()
    purposes: tuple[str, ...] = PRODUCT

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise WhatIfError(f"--from {self.first} is after --to {self.last}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What calls are priced as. `provider` and `model` None: their own; `tier` None: the one they had.

    The ratios turn recorded tokens into this model's, where the recorded model is another one (tokens of
    audio and images stay). `context_window` is the most input tokens it takes, None where nobody knows.
    """

    provider: str | None = None
    model: str | None = None
    tier: str | None = None
    input_ratio: Fraction = Fraction(1)
    output_ratio: Fraction = Fraction(1)
    context_window: int | None = None

    @property
    def name(self) -> str:
        return RECORDED if self.model is None else f"{self.provider}/{self.model}".removeprefix("/")

    @property
    def label(self) -> str:
        """The name, with the tier where one is asked for."""
        return self.name if self.tier is None else f"{self.name} at {self.tier}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is assumed of every candidate.

    `prices_at` prices all calls as if they were made on that UTC day, at their own hour; None: on their own
    day. `is_cached` False reads all cached input anew; `is_reasoning` False leaves reasoning tokens out;
    `any_length` prices calls that are longer than what the candidate takes.
    """

    prices_at: date | None = None
    is_cached: bool = True
    is_reasoning: bool = True
    any_length: bool = False

    @property
    def changes_calls(self) -> bool:
        """Whether calls come out differently under these terms at their own models and tiers."""
        return self.prices_at is not None or not self.is_cached or not self.is_reasoning


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`by` tells rows of the answer apart, beside the candidate."""

    traffic: Traffic
    candidates: tuple[Candidate, ...]
    terms: Terms = Terms()
    by: tuple[Dimension, ...] = ()
