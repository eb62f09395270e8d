"""What a condition says of a group, or of many at once."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from orchestration.alerts.reading.types import Floats

Bools = NDArray[np.bool_]
# Outcomes as their place in OUTCOMES.
Codes = NDArray[np.int8]

# breach: it fires; holding: it would not begin, but what fires goes on; clear: what fires may end;
# too_few: not enough data to say; absent: no rows at all.
Outcome = Literal["breach", "holding", "clear", "too_few", "absent"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One group's verdict; None: there is none. `baseline` is what the value was compared with.

    `low` and `high` are the 95 % interval of the value, of the difference for a statistical change. `q` is
    `p` corrected for the groups of the rule. `reason` takes the place of figures in what is told.
    """

    outcome: Outcome
    value: float | None = None
    threshold: float | None = None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    q: float | None = None
    n: int = 0
    reason: str | None = None
    # Words of a condition that knows better than the general ones how to tell it.
    told: str | None = None


ABSENT = Verdict("absent")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The same of many: arrays of one shape, groups or moments × groups; NaN: there is none.

    `is_known`: enough data to say. `is_present`: any row at all. `is_holding`: what fires goes on.
    """

    value: Floats
    threshold: Floats
    n: Floats
    is_present: Bools
    is_known: Bools
    is_breach: Bools
    is_holding: Bools
    baseline: Floats | None = None
    low: Floats | None = None
    high: Floats | None = None
    p: Floats | None = None
    q: Floats | None = None
    outcomes: Codes = field(init=False)

    def __post_init__(self) -> None:
        found = np.select(
            [~self.is_present & ~self.is_known, ~self.is_known, self.is_breach, self.is_holding],
            [_CODES["absent"], _CODES["too_few"], _CODES["breach"], _CODES["holding"]],
            default=_CODES["clear"],
        )
        object.__setattr__(self, "outcomes", found.astype(np.int8))

    def at(self, index: int | tuple[int, ...]) -> Verdict:
        """One of them by itself."""

        def figure(values: Floats | None) -> float | None:
            found = None if values is None else float(values[index])
            return found if found is not None and isfinite(found) else None

        return Verdict(
            OUTCOMES[int(self.outcomes[index])],
            value=figure(self.value),
            threshold=figure(self.threshold),
            baseline=figure(self.baseline),
            low=figure(self.low),
            high=figure(self.high),
            p=figure(self.p),
            q=figure(self.q),
            n=int(self.n[index]),
        )


OUTCOMES: tuple[Outcome, ...] = ("absent", "too_few", "clear", "holding", "breach")
_CODES = {name: code for code, name in enumerate(OUTCOMES)}
