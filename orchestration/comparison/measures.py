"""What a run measured: a figure, its interval, and of how much it speaks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure with its 95 % interval, clustered on prompts (NaN where there is none).

    `n` units of `n_eligible` were scored, from `n_prompts` different prompts. Eligible is what the metric
    applies to: an item without a reference is not eligible for a rubric that needs one.
    """

    value: float
    low: float
    high: float
    n: int
    n_prompts: int
    n_eligible: int

    @property
    def coverage(self) -> float:
        """The scored share of what is eligible; 0 where nothing is."""
        return self.n / self.n_eligible if self.n_eligible else 0.0
