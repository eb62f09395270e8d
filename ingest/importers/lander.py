"""The half of an import that talks to Postgres: one load, one transaction a batch."""

from collections.abc import Sequence
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.importers.batches import Batch
from ingest.importers.rejects import Refused, RejectsFile
from ingest.importers.scores import ScoreBook
from ingest.landing.dead_letters import DeadLetter, bury
from ingest.landing.land import land_prepared, retry_conflicts
from ingest.landing.loads import count_load
from ingest.landing.months import ensure_months
from ingest.landing.prepare import Prepared
from ingest.landing.result import LandingResult, Problem, Reject
from ingest.loading.twins import hold_twins


class Lander:
    """Lands the batches of one file; its counts grow as they commit. Scores follow their calls."""

    def __init__(
        self,
        connection: Connection[TupleRow],
        *,
        load_id: UUID,
        origin: str,
        unit: str,
        rejects: RejectsFile,
        scores: ScoreBook,
    ) -> None:
        self.landed = 0
        self.already_there = 0
        self.rejected = 0
        self.passed_over = 0
        self._connection = connection
        self._load_id = load_id
        self._origin = origin
        self._unit = unit
        self._rejects = rejects
        self._scores = scores

    def land(self, batch: Batch, prepared: Prepared) -> None:
        """Commit a batch with its dead letters and counts; then write its rejects to their file."""
        ensure_months(self._connection, prepared.months)
        result = retry_conflicts(self._connection, lambda: self._transaction(batch, prepared))
        refused = [*batch.refused, *_refused(batch, result.rejected)]
        self.landed += result.landed
        self.already_there += result.already_there
        self.rejected += len(refused)
        self.passed_over += batch.passed_over
        refused += batch.refused_scores
        self._rejects.write(self._origin, sorted(refused, key=lambda each: each.line.number), unit=self._unit)
        self._scores.refused(len(batch.refused_scores))
        self._scores.add(
            self._connection, batch.scores, load_id=self._load_id, origin=self._origin, unit=self._unit
        )

    def _transaction(self, batch: Batch, prepared: Prepared) -> LandingResult:
        with self._connection.transaction():
            result = land_prepared(
                self._connection,
                prepared,
                load_id=self._load_id,
                letter=lambda reject: self._letter(_refused_line(batch, reject)),
            )
            if batch.calls and batch.calls[0].source == "otlp":
                hold_twins(self._connection, batch.calls)
            refused = [*batch.refused, *batch.refused_scores]
            bury(self._connection, [self._letter(each) for each in refused], load_id=self._load_id)
            count_load(self._connection, self._load_id, result, refused=len(refused))
        return result

    def _letter(self, refused: Refused) -> DeadLetter:
        return DeadLetter(
            source="import",
            origin=self._origin,
            position=f"{self._unit} {refused.line.number}",
            reason=refused.problem.reason,
            detail=refused.problem.detail,
            record=refused.line.data,
        )


def _refused(batch: Batch, rejected: Sequence[Reject]) -> list[Refused]:
    return [_refused_line(batch, reject) for reject in rejected]


def _refused_line(batch: Batch, reject: Reject) -> Refused:
    return Refused(batch.lines[reject.index], Problem(reject.reason, reject.detail))
