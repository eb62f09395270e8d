"""What a rule is, and the few helpers every rule is written with."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

Severity = Literal["info", "warning", "critical"]

NOT_APPLICABLE = "not_applicable"
NOT_EVALUABLE = "not_evaluable"

EVIDENCE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Rule:
    """One versioned check over a prepared frame of calls (see `evaluators.rules.prepare`).

    `check` takes the frame and returns, in frame order, one row a call with `failed` (Boolean, null where
    unscored), `unscored_reason` (String, null where scored) and `evidence` (String, only where failed).
    `version` is a semver: patch for wording, minor for a changed verdict on some texts, major for a new
    meaning. `config` holds the thresholds the factory was called with; it is part of the rule's hash.
    """

    name: str
    version: str
    severity: Severity
    description: str
    requires: tuple[str, ...]
    check: Callable[[pl.DataFrame], pl.DataFrame]
    config: tuple[tuple[str, float | str], ...] = ()


def outcome(frame: pl.DataFrame, *, unscored: pl.Expr, evidence: pl.Expr | pl.Series) -> pl.DataFrame:
    """The three columns of a check: a call fails where it is scored and has evidence."""
    scored = pl.col("unscored_reason").is_null()
    return frame.select(
        unscored_reason=unscored.cast(pl.String),
        found=(evidence if isinstance(evidence, pl.Series) else evidence.cast(pl.String)),
    ).select(
        failed=pl.when(scored).then(pl.col("found").is_not_null()),
        unscored_reason="unscored_reason",
        evidence=pl.when(scored).then(pl.col("found").str.slice(0, EVIDENCE_LIMIT)),
    )


def rows_where(
    frame: pl.DataFrame, where: pl.Expr, *, columns: Iterable[str], judge: Callable[..., str | None]
) -> pl.Series:
    """Run `judge(*values)` on the rows that pass the cheap filter `where`; null for all others.

    Returns a String series in frame order: what `judge` found, null where it found nothing.
    """
    picked = frame.lazy().with_row_index("row_number").filter(where).select("row_number", *columns).collect()
    found: list[str | None] = [None] * frame.height
    for number, *values in picked.iter_rows():
        found[number] = judge(*values)
    return pl.Series("found", found, dtype=pl.String)


def unscored_unless(applies: pl.Expr, *, reason: str = NOT_APPLICABLE) -> pl.Expr:
    """The reason of a text rule: the call's own `text_gap` first, else `reason` where it does not apply."""
    return pl.coalesce(pl.col("text_gap"), pl.when(~applies.fill_null(value=False)).then(pl.lit(reason)))
