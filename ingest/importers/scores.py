"""Scores and opinions that come along with calls: they land once their calls are there."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.importers.formats.base import Score
from ingest.importers.lines import Line
from ingest.importers.rejects import Refused, RejectsFile
from ingest.importers.score_calls import find_calls
from ingest.importers.summary import ScoreCounts
from ingest.landing.dead_letters import DeadLetter, bury
from ingest.landing.feedback import land_feedback
from ingest.landing.result import Problem
from ingest.spool.records import Feedback, Opinion
from ingest.uuid7 import EPOCH, uuid7

MOST_HELD = 20_000
MOST_BYTES = 16 << 20
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ScoresLanded:
    """`rejected`: the index of a score in what was given, and why; what is in no count was rejected, too."""

    landed: int
    already_there: int
    rejected: Sequence[tuple[int, Problem]] = ()


class ScoreSink(Protocol):
    """Where verdicts of versions land; all given have a `call_id`. The connection is in no transaction."""

    def land(self, connection: Connection[TupleRow], scores: Sequence[Score]) -> ScoresLanded: ...


@dataclass(frozen=True, slots=True)
class _Held:
    score: Score
    line: Line
    load_id: UUID
    origin: str
    unit: str


@dataclass(slots=True)
class ScoreBook:
    """Scores of one run, held until there are many of them: finding the calls of traces is a look at weeks.

    Without a `sink` verdicts are passed over.
    """

    sink: ScoreSink | None
    rejects: RejectsFile
    counts: ScoreCounts = field(default_factory=ScoreCounts)
    _held: list[_Held] = field(default_factory=list[_Held])
    _size: int = 0

    def refused(self, count: int) -> None:
        """So many could not be read."""
        self.counts = replace(self.counts, rejected=self.counts.rejected + count)

    def add(
        self,
        connection: Connection[TupleRow],
        scores: Sequence[tuple[Line, Score]],
        *,
        load_id: UUID,
        origin: str,
        unit: str,
    ) -> None:
        """Take scores whose calls, if they are in this file, have been committed."""
        for line, score in scores:
            if score.is_feedback or self.sink is not None:
                self._held.append(_Held(score, line, load_id, origin, unit))
                self._size += len(line.data)
        if len(self._held) >= MOST_HELD or self._size >= MOST_BYTES:
            self.flush(connection)

    def flush(self, connection: Connection[TupleRow]) -> None:
        """Land what is held, and book what cannot be. Doing it again changes nothing."""
        held, self._held, self._size = self._held, [], 0
        if not held:
            return
        problems = dict[int, Problem]()
        found = _with_calls(connection, held, problems)
        opinions = [(index, score) for index, score in found if score.is_feedback]
        verdicts = [(index, score) for index, score in found if not score.is_feedback]
        landed = already_there = 0
        for land, some in ((self._land_opinions, opinions), (self._land_verdicts, verdicts)):
            if some:
                result = land(connection, [score for _, score in some])
                landed, already_there = landed + result.landed, already_there + result.already_there
                problems |= {some[index][0]: problem for index, problem in result.rejected}
        self._book(connection, held, problems)
        known = self.counts
        self.counts = ScoreCounts(
            known.landed + landed,
            known.already_there + already_there,
            known.rejected + len(held) - landed - already_there,
        )

    def _land_verdicts(self, connection: Connection[TupleRow], scores: Sequence[Score]) -> ScoresLanded:
        return ScoresLanded(0, 0) if self.sink is None else self.sink.land(connection, scores)

    def _land_opinions(self, connection: Connection[TupleRow], scores: Sequence[Score]) -> ScoresLanded:
        opinions = [_opinion(score) for score in scores]
        with connection.transaction():
            result = land_feedback(connection, [Feedback(call_id=uuid7(), opinions=tuple(opinions))])
        places = {id(opinion): index for index, opinion in enumerate(opinions)}
        problem = Problem("conflicting_feedback", "something else is known of this call, name and time")
        rejected = [(places[id(opinion)], problem) for opinion in result.conflicting]
        return ScoresLanded(result.landed, len(opinions) - result.landed - len(rejected), rejected)

    def _book(
        self, connection: Connection[TupleRow], held: Sequence[_Held], problems: dict[int, Problem]
    ) -> None:
        by_load = dict[UUID, list[DeadLetter]]()
        for index, problem in sorted(problems.items()):
            each = held[index]
            by_load.setdefault(each.load_id, []).append(_letter(each, problem))
            self.rejects.write(each.origin, [Refused(each.line, problem)], unit=each.unit)
        for load_id, letters in by_load.items():
            with connection.transaction():
                bury(connection, letters, load_id=load_id)


def _with_calls(
    connection: Connection[TupleRow], held: Sequence[_Held], problems: dict[int, Problem]
) -> list[tuple[int, Score]]:
    """The scores whose call is known, with its id; the others go to `problems`."""
    calls = find_calls(connection, [each.score for each in held])
    found: list[tuple[int, Score]] = []
    for index, (each, call) in enumerate(zip(held, calls, strict=True)):
        if call is None:
            score = each.score
            which = score.external_id or score.trace_id or score.call_id
            kind = "trace" if score.trace_id else "call"
            problems[index] = Problem("no_call", f"{score.evaluator}: no {kind} {which} of a model is known")
            continue
        call_id, started_at = call
        at = each.score.at or started_at
        found.append((index, msgspec.structs.replace(each.score, call_id=call_id, at=at)))
    return found


def _opinion(score: Score) -> Opinion:
    assert score.call_id is not None
    assert score.at is not None
    value = score.value
    return Opinion(
        call_id=score.call_id,
        name=score.evaluator[:200],
        at_ns=((score.at - EPOCH) // _MICROSECOND) * 1000,
        value=None if value is None else format(Decimal(str(value)), "f"),
        label=score.label,
        comment=score.explanation,
    )


def _letter(each: _Held, problem: Problem) -> DeadLetter:
    return DeadLetter(
        source="import",
        origin=each.origin,
        position=f"{each.unit} {each.line.number}",
        reason=problem.reason,
        detail=problem.detail,
        record=each.line.data,
    )
