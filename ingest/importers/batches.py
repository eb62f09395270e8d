"""Lines of a file, read into calls and cut into batches: the half of an import that needs no database."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ingest.call import Call
from ingest.importers.canonical import to_call
from ingest.importers.lines import LONGEST_LINE, Line
from ingest.importers.record import parse_line
from ingest.importers.rejects import Refused
from ingest.landing.result import Problem

BATCH_CALLS = 4000
BATCH_BYTES = 8 << 20


@dataclass(slots=True)
class Batch:
    """Some lines in order: `calls[i]` stands in `lines[i]`."""

    calls: list[Call] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    size: int = 0

    def add(self, line: Line, *, earliest: datetime, latest: datetime) -> None:
        call = _read(line, earliest=earliest, latest=latest)
        self.size += len(line.data)
        if isinstance(call, Problem):
            self.refused.append(Refused(line, call))
        else:
            self.calls.append(call)
            self.lines.append(line)

    @property
    def is_full(self) -> bool:
        return len(self.calls) + len(self.refused) >= BATCH_CALLS or self.size >= BATCH_BYTES


def read_batches(lines: Iterable[Line], *, earliest: datetime, latest: datetime) -> Iterator[Batch]:
    """Batches of at most 4,000 lines, and no more once they hold 8 MB. Blank lines do not count."""
    batch = Batch()
    for line in lines:
        if line.data.strip():
            batch.add(line, earliest=earliest, latest=latest)
        if batch.is_full:
            yield batch
            batch = Batch()
    if batch.size:
        yield batch


def _read(line: Line, *, earliest: datetime, latest: datetime) -> Call | Problem:
    if not line.is_whole:
        return Problem("line_too_long", f"{line.size:,} bytes; the limit is {LONGEST_LINE:,}")
    data = line.data.removeprefix(b"\xef\xbb\xbf") if line.number == 1 else line.data
    parsed = parse_line(data)
    if isinstance(parsed, Problem):
        return parsed
    return to_call(parsed, line=data, earliest=earliest, latest=latest)
