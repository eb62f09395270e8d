"""Rules that tests steer: they count what they are given and say, or raise, what they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from evaluators.rules.base import Rule


@dataclass
class Steered:
    """A rule's check: fails the calls that `fails` picks and raises if `raises` says so of a frame."""

    fails: pl.Expr = field(default_factory=lambda: pl.lit(value=False))
    raises: Callable[[pl.DataFrame], bool] = lambda frame: False
    unscored: str | None = None
    seen: list[str] = field(default_factory=list)

    # A rule is hashed with the source of the module its check stands in.
    __module__ = "evaluators.rules.error"

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        self.seen.extend(frame["call_id"])
        if self.raises(frame):
            raise ValueError("the rule\nbroke")
        failed = self.fails if self.unscored is None else pl.lit(None, dtype=pl.Boolean)
        return frame.with_columns(
            failed=failed,
            unscored_reason=pl.lit(self.unscored, dtype=pl.String),
            evidence=pl.when(failed).then(pl.lit("seen", dtype=pl.String)),
        ).select("failed", "unscored_reason", "evidence")


def rule(name: str, check: Steered, *, version: str = "1.0.0") -> Rule:
    """A rule around a steered check."""
    return Rule(name, version, "warning", f"{name} of the tests", ("output_text",), check)
