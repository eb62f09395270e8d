"""What is read for a rule: sums of each group over windows, or the series of its hours or days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# The names and values of the rule's group_by, in its order; () for a rule without groups.
Group: TypeAlias = tuple[tuple[str, str], ...]
# [start, end), aware.
Window: TypeAlias = tuple[datetime, datetime]
Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


class ReadingError(ValueError):
    """A rule cannot be read: its SQL is wrong, forbidden or too slow. The message is one line."""


@dataclass(frozen=True, slots=True)
class Sums:
    """One group's sums over one window; they add up over windows, except `value`, `low` and `high`.

    `denominator` is 0 where nothing was measured (NULLs only). `squares` is the sum of squares of a mean;
    None: its spread is not known. `n` is how many calls stand behind it. `value` is set where the figure is
    no quotient of sums (a percentile, a query, a built-in one), with its 95 % interval where one is known.
    """

    numerator: float
    denominator: float
    squares: float | None = None
    n: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class SumsArray:
    """A group's sums by step of a series, each of the series' length; nothing measured is 0."""

    numerator: Floats
    denominator: Floats
    squares: Floats | None
    n: Integers


@dataclass(frozen=True, slots=True)
class Series:
    """A rule's groups at the mart's own grain, an hour or a day: `starts` is ascending and without holes."""

    starts: list[datetime]
    groups: Mapping[Group, SumsArray]


Parameters: TypeAlias = Mapping[str, Any]
