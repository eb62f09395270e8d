"""Verdicts that come along with imported calls: each tool's evaluator is one of its own, with versions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.importers.formats.base import Score
from ingest.importers.scores import ScoresLanded
from ingest.landing.result import Problem
from orchestration.versions.recorded import land_recorded
from orchestration.versions.recorded_rows import BadRow, RecordedScore, parse_row
from orchestration.versions.registry import Version, VersionError, register_version


@dataclass(slots=True)
class ImportedScores:
    """Where `import_files` lands verdicts; `versions` are those it met, by evaluator and version."""

    versions: dict[tuple[str, str], Version | VersionError] = field(default_factory=dict)

    def land(self, connection: Connection[TupleRow], scores: Sequence[Score]) -> ScoresLanded:
        """Land scores of known calls under their versions, as `lqo scores import` does."""
        by_version = dict[tuple[str, str], list[int]]()
        for index, score in enumerate(scores):
            by_version.setdefault((score.evaluator, score.version), []).append(index)
        landed = already_there = 0
        rejected = list[tuple[int, Problem]]()
        for key, indexes in by_version.items():
            version = self._version(connection, key)
            if isinstance(version, VersionError):
                rejected += [(index, Problem("bad_field", str(version))) for index in indexes]
                continue
            rows = [_row(scores[index], index=index) for index in indexes]
            done = land_recorded(connection, version, rows)
            landed, already_there = landed + done.n_landed, already_there + done.n_already_there
            rejected += [(bad.line, Problem("refused_score", bad.reason)) for bad in done.rejects]
        return ScoresLanded(landed, already_there, rejected)

    def drafts(self) -> list[Version]:
        """Versions that another one stands before: nothing shows them until they are promoted."""
        return [
            each for each in self.versions.values() if isinstance(each, Version) and each.status != "active"
        ]

    def _version(self, connection: Connection[TupleRow], key: tuple[str, str]) -> Version | VersionError:
        if key not in self.versions:
            evaluator, version = key
            try:
                made = register_version(connection, evaluator=evaluator, version=version, kind="external")
            except VersionError as error:
                made = error
            self.versions[key] = made
        return self.versions[key]


def _row(score: Score, *, index: int) -> RecordedScore | BadRow:
    given = {
        "call_id": str(score.call_id),
        "value": score.value,
        "label": score.label,
        "explanation": score.explanation,
        "at": None if score.at is None else score.at.isoformat(),
    }
    return parse_row(given, line=index)
