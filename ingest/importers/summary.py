"""What an import did."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """Scores and opinions of calls: each is in exactly one of the three."""

    landed: int = 0
    already_there: int = 0
    rejected: int = 0

    @property
    def total(self) -> int:
        return self.landed + self.already_there + self.rejected


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Calls over all files: each line that is one, or should be, is in exactly one of the first three counts.

    `passed_over` counts what other tools log beside calls (spans of tools, traces); `scores` what they say of
    calls. `rejects_file` is None where nothing was rejected or the file could not be written.
    """

    landed: int
    already_there: int
    rejected: int
    rejects_file: Path | None
    seconds: float
    passed_over: int = 0
    scores: ScoreCounts = ScoreCounts()
    formats: tuple[str, ...] = ()


class ImportFailedError(RuntimeError):
    """The import did not reach its end; the message is one line, `summary` says what it did do.

    Running the same import again finishes the job: what has landed is found there.
    """

    def __init__(self, message: str, *, summary: ImportSummary) -> None:
        super().__init__(" ".join(message.split()))
        self.summary = summary
