"""What an import did."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Calls over all files: each line that is not blank is in exactly one of the three counts.

    `rejects_file` is None where nothing was rejected or the file could not be written.
    """

    landed: int
    already_there: int
    rejected: int
    rejects_file: Path | None
    seconds: float


class ImportFailedError(RuntimeError):
    """The import did not reach its end; the message is one line, `summary` says what it did do.

    Running the same import again finishes the job: what has landed is found there.
    """

    def __init__(self, message: str, *, summary: ImportSummary) -> None:
        super().__init__(" ".join(message.split()))
        self.summary = summary
