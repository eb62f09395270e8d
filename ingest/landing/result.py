"""What a landing did: counts, and every refused call with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record cannot land: a short reason to group by, and one line of detail."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A refused call: its index in what was landed, and why."""

    index: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class LandingResult:
    """Every call given is in exactly one of the three.

    `landed` counts new rows and `interrupted` rows that a real END replaced; `already_there` counts
    calls that an earlier landing (or an earlier call of the same batch) brought with the same content.
    """

    landed: int = 0
    already_there: int = 0
    rejected: tuple[Reject, ...] = ()

    def __add__(self, other: "LandingResult") -> "LandingResult":
        return LandingResult(
            landed=self.landed + other.landed,
            already_there=self.already_there + other.already_there,
            rejected=self.rejected + other.rejected,
        )
