"""Langfuse's scores: of an observation, or of a trace, whose last model call then has them.

https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields#scores
"""

from datetime import datetime

import msgspec

from ingest.importers.formats.base import Said, Score, Within
from ingest.importers.formats.names import evaluator_named
from ingest.importers.formats.values import utc
from ingest.importers.shapes import Shape
from ingest.landing.result import Problem


class ScoreRow(msgspec.Struct, kw_only=True):
    """A row of `scores/`; members of no use here are passed over."""

    name: str
    timestamp: datetime
    trace_id: str | None = None
    observation_id: str | None = None
    value: float | None = None
    source: str = "API"
    comment: str | None = None
    data_type: str | None = None
    string_value: str | None = None
    evaluator_id: str | None = None


def read_score(line: bytes, within: Within) -> tuple[Said, ...]:
    """The score of one row."""
    read = _shape.read(line)
    return (Said(None, (read if isinstance(read, Problem) else _score(read[0]),)),)


def _score(row: ScoreRow) -> Score | Problem:
    if not (row.observation_id or row.trace_id):
        return Problem("no_call", f"{row.name}: a score of a session or a dataset's run is of no call")
    is_text = row.data_type == "TEXT"
    tool = "langfuse" if row.observation_id else "langfuse.trace"
    return Score(
        evaluator=row.name if is_text else evaluator_named(tool, row.name),
        version=_version(row),
        external_id=row.observation_id or None,
        trace_id=None if row.observation_id else row.trace_id,
        value=None if is_text else row.value,
        label=None if is_text else row.string_value or None,
        explanation=row.string_value if is_text else row.comment or None,
        at=utc(row.timestamp),
        is_feedback=is_text,
    )


def _version(row: ScoreRow) -> str:
    """Who judged: eval, annotation or api, and which evaluator where the export says so."""
    source = "".join(row.source.lower().split()).replace("@", "_")[:50] or "api"
    known = "".join((row.evaluator_id or "").split()).replace("@", "_")[:100]
    return f"{source}:{known}" if known else source


_shape = Shape(ScoreRow)
