"""What is wrong with a file that people write: one line each, with the file, the line and the field."""

from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong; `line` counts from 1 (0: the file as a whole), `field` is empty for all of it."""

    source: str
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        text = " ".join(": ".join(part for part in (place, self.field, self.reason) if part).split())
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


class FileProblemsError(ValueError):
    """A file, or several, cannot be used; `problems` are all that was found, in the order of the lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")
