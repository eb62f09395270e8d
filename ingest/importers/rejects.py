"""The file of rejects: one JSON object a line: the number of the line (or item, row), why, its beginning."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ingest.importers.lines import Line
from ingest.landing.result import Problem

RAW_BYTES = 2000
"""Of a refused line; all of it is in the file it came from."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that did not become a row, and why."""

    line: Line
    problem: Problem


class RejectsFile:
    """Made with its first line. A disk that refuses is remembered in `problem`; nothing is raised."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self.problem: str | None = None

    def write(self, origin: str, refused: Sequence[Refused], *, unit: str = "line") -> None:
        if not refused or self.problem is not None:
            return
        lines = b"".join(_render(origin, each, unit=unit) for each in refused)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(lines)
        except OSError as error:
            self.problem = f"{self.path} cannot be written ({error.strerror or error})"
            return
        self.written += len(refused)


def _render(origin: str, refused: Refused, *, unit: str) -> bytes:
    line, problem = refused.line, refused.problem
    entry = {
        "file": origin,
        unit: line.number,
        "reason": problem.reason,
        "detail": problem.detail,
        "raw": line.data[:RAW_BYTES].decode("utf-8", "replace"),
    }
    return msgspec.json.encode(_encodable(entry)) + b"\n"


def _encodable(entry: dict[str, str | int]) -> dict[str, str | int]:
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in entry.items()
    }
