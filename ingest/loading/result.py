"""What a loader did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoaderResult:
    """Calls, each in one of the three counts; `rejected` includes records that belong to no call."""

    landed: int = 0
    already_there: int = 0
    rejected: int = 0

    def __add__(self, other: "LoaderResult") -> "LoaderResult":
        return LoaderResult(
            landed=self.landed + other.landed,
            already_there=self.already_there + other.already_there,
            rejected=self.rejected + other.rejected,
        )

    def __str__(self) -> str:
        counts = f"landed {self.landed:,}, already there {self.already_there:,}"
        return f"{counts}, rejected {self.rejected:,}"
