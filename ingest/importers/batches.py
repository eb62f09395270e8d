"""What a file says, read and cut into batches: the half of an import that needs no database."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ingest.call import Call
from ingest.importers.formats.base import Read, Said, Score, Within
from ingest.importers.lines import LONGEST_LINE, Line
from ingest.importers.rejects import Refused
from ingest.landing.result import Problem

BATCH_CALLS = 4000
BATCH_BYTES = 8 << 20


@dataclass(slots=True)
class Batch:
    """Some lines in order: `calls[i]` stands in `lines[i]`; `passed_over` are neither calls nor scores."""

    calls: list[Call] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    scores: list[tuple[Line, Score]] = field(default_factory=list)
    refused_scores: list[Refused] = field(default_factory=list)
    passed_over: int = 0
    size: int = 0

    def add(self, line: Line, *, read: Read, within: Within) -> None:
        self.size += len(line.data)
        if not line.is_whole:
            problem = Problem("line_too_long", f"{line.size:,} bytes; the limit is {LONGEST_LINE:,}")
            self.refused.append(Refused(line, problem))
            return
        data = line.data.removeprefix(b"\xef\xbb\xbf") if line.number == 1 else line.data
        for said in read(data, within):
            self._keep(line if said.line is None else Line(line.number, said.line, len(said.line)), said)

    def _keep(self, line: Line, said: Said) -> None:
        call = said.call
        if isinstance(call, Call):
            self.calls.append(call)
            self.lines.append(line)
        elif call is not None:
            self.refused.append(Refused(line, call))
        elif not said.scores:
            self.passed_over += 1
        for score in said.scores:
            if isinstance(score, Problem):
                self.refused_scores.append(Refused(line, score))
            else:
                self.scores.append((line, score))

    @property
    def is_full(self) -> bool:
        count = len(self.calls) + len(self.refused) + len(self.scores) + len(self.refused_scores)
        return count >= BATCH_CALLS or self.size >= BATCH_BYTES


def read_batches(lines: Iterable[Line], *, read: Read, within: Within) -> Iterator[Batch]:
    """Batches of about 4,000 lines, and no more once they hold 8 MB. Blank lines do not count."""
    batch = Batch()
    for line in lines:
        if line.data.strip():
            batch.add(line, read=read, within=within)
        if batch.is_full:
            yield batch
            batch = Batch()
    if batch.size:
        yield batch
