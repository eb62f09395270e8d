"""What a written rule looks for: an expression over calls, and what Python works out for it first."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from evaluators.rules.base import NOT_EVALUABLE

# An evidence that starts so is no finding: the call goes unscored for the reason behind it.
UNSCORED = "\0"
TOO_SLOW = "too_slow"
TEXT = "text"

# The clock is looked at after so many calls, and before each that Python reads by itself.
SLICE_ROWS = 2_500

Relation = Literal["at least", "at most", "less than", "more than", "exactly"]

# As people write them in the languages of M-IFEval.
_RELATIONS: dict[str, Relation] = {
    "at least": "at least",
    "al menos": "at least",
    "au moins": "at least",
    "以上": "at least",
    "at most": "at most",
    "como máximo": "at most",
    "au plus": "at most",
    "以下": "at most",
    "less than": "less than",
    "menos de": "less than",
    "moins de": "less than",
    "未満": "less than",
    "more than": "more than",
    "más de": "more than",
    "plus de": "more than",
    "exactly": "exactly",
    "exactamente": "exactly",
    "exactement": "exactly",
    "ちょうど": "exactly",
}


class RefusedError(ValueError):
    """A rule that cannot be: which field of it (empty: the rule as a whole), and why, in one line."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment (of `time.perf_counter`, seconds) after which a rule reads no further call."""

    end: float

    @classmethod
    def of(cls, seconds: float) -> "Clock":
        return cls(time.perf_counter() + seconds)

    @property
    def is_over(self) -> bool:
        return time.perf_counter() > self.end


@dataclass(frozen=True, slots=True)
class Derived:
    """A column that Python works out: `run(frame, clock)` gives one value a row, in frame order."""

    name: str
    run: Callable[[pl.DataFrame, Clock], pl.Series]


@dataclass(frozen=True, slots=True)
class Look:
    """`found` is String: the evidence where a call fails, null where it passes, `UNSCORED` and a reason where
    it goes unscored. It reads columns of the prepared frame, `TEXT` (the rule's own text, never null) and
    those of `derived`. `requires` are the columns of calls besides the text."""

    found: pl.Expr
    derived: tuple[Derived, ...] = ()
    requires: frozenset[str] = field(default_factory=frozenset[str])

    def over(self, frame: pl.DataFrame, *, clock: Clock) -> pl.Series:
        """The findings of a frame, in order; `too_slow` for what is left when the clock has run out."""
        parts = [self._part(part, clock=clock) for part in frame.iter_slices(SLICE_ROWS)]
        return pl.concat([pl.Series("found", [], dtype=pl.String), *parts])

    def _part(self, part: pl.DataFrame, *, clock: Clock) -> pl.Series:
        if clock.is_over:
            return pl.Series("found", [UNSCORED + TOO_SLOW] * part.height, dtype=pl.String)
        columns = [derived.run(part, clock).alias(derived.name) for derived in self.derived]
        late = pl.any_horizontal(pl.lit(value=False), *(_is_late(column) for column in columns))
        found = pl.when(late).then(pl.lit(UNSCORED + TOO_SLOW)).otherwise(self.found)
        # Not `select`: a rule of constants alone would give one row.
        return part.with_columns(columns).with_columns(found=found.cast(pl.String))["found"]


def by_call(
    judge: Callable[..., str | None], *columns: str, name: str = "judged"
) -> tuple[pl.Expr, tuple[Derived, ...]]:
    """What `judge(*values)` says of each call, as an expression and the column behind it."""

    def run(frame: pl.DataFrame, clock: Clock) -> pl.Series:
        rows = frame.select(columns).iter_rows()
        found = [UNSCORED + TOO_SLOW if clock.is_over else judge(*values) for values in rows]
        return pl.Series(name, found, dtype=pl.String)

    return pl.col(name), (Derived(name, run),)


def relation_of(text: str, *, field: str = "relation") -> Relation:
    """The relation that a person wrote. Raises RefusedError."""
    try:
        return _RELATIONS[text.strip().lower()]
    except KeyError:
        raise RefusedError(field, f"{text!r} is none of at least, at most, less than, exactly …") from None


def unless_counted(count: pl.Expr, *, relation: Relation, n: int, what: str) -> Look:
    """Fails the calls whose count does not stand in the relation to `n`."""
    count = count.cast(pl.Int64)
    holds = {
        "at least": count >= n,
        "at most": count <= n,
        "less than": count < n,
        "more than": count > n,
        "exactly": count == n,
    }[relation]
    return Look(pl.when(~holds).then(pl.format(f"{{}} {what}, not {relation} {n}", count)))


def fails(where: pl.Expr, evidence: str) -> Look:
    """Fails the calls of a condition, all with the same evidence."""
    return Look(pl.when(where).then(pl.lit(evidence)))


def not_evaluable() -> str:
    """The mark of a call that a look cannot judge."""
    return UNSCORED + NOT_EVALUABLE


def _is_late(column: pl.Series) -> pl.Expr:
    if column.dtype != pl.String:
        return pl.lit(value=False)
    return (pl.col(column.name) == UNSCORED + TOO_SLOW).fill_null(value=False)
