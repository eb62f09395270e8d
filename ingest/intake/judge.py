"""Which of the calls handed in are taken: each gets its id, or the reason why not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ingest.importers.delivered import Sender, read_delivered
from ingest.intake.breath import breathing
from ingest.intake.kept import keep_allowed, line_of
from ingest.landing.batch_ids import BatchIds, Kept
from ingest.landing.content import content_hash
from ingest.landing.result import Problem
from ingest.landing.validate import problem_of
from ingest.proxy.ports import Privacy


@dataclass(slots=True)
class Judged:
    """`results[i]` belongs to item `i`: the id of a call that is taken, or its problem."""

    results: list[UUID | Problem] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)

    @property
    def n_rejected(self) -> int:
        return sum(isinstance(each, Problem) for each in self.results)


def judge(
    lines: Iterable[bytes], *, sender: Sender, privacy: Privacy, earliest: datetime, latest: datetime
) -> Judged:
    """Read each line as an import would; meant for a thread, and leaves the event loop its turns."""
    judged, ids = Judged(), BatchIds()
    for index, line in enumerate(breathing(lines)):
        call = read_delivered(line, sender=sender, earliest=earliest, latest=latest)
        if isinstance(call, Problem):
            judged.results.append(call)
            continue
        kept = keep_allowed(call, privacy=privacy)
        problem = problem_of(kept, earliest=earliest, latest=latest)
        problem = problem or ids.keep(Kept(index, kept, content_hash(kept)))
        judged.results.append(problem or kept.call_id)
        if problem is None:
            judged.lines.append(line if kept is call else line_of(kept))
    return judged
