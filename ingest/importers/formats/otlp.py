"""Files of OTLP: JSON lines of the file exporter, the Collector's framed messages, or one request's bytes.

https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/. Spans are read as `POST /v1/traces` reads
them (OpenInference, OpenTelemetry GenAI, OpenLLMetry), with the same ids. Results of evaluations are the
span events `gen_ai.evaluation.result` (github.com/open-telemetry/semantic-conventions-genai,
model/gen-ai/events.yaml).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from ingest.call import Call
from ingest.importers.delivered import Sender, read_delivered
from ingest.importers.formats.base import Said, Score, Within
from ingest.importers.formats.names import evaluator_named
from ingest.importers.formats.values import number_of
from ingest.intake.otlp.call import line_of_span
from ingest.intake.otlp.document import read_document
from ingest.intake.otlp.protobuf import read_protobuf
from ingest.intake.otlp.spans import Event, Span, UnreadableError
from ingest.landing.result import Problem
from ingest.uuid7 import EPOCH

_RESULT = "gen_ai.evaluation.result"
_SENDER = Sender("otlp")
_MISSING = "protobuf needs the extra otlp (llm-quality-observer[otlp]); OTLP in JSON works without"


def read_traces(data: bytes, within: Within) -> Iterator[Said]:
    """Each span of one export request: a call, or passed over."""
    read = read_document if data.lstrip()[:1] == b"{" else read_protobuf
    try:
        for span in read(data):
            yield _said(span, within)
    except UnreadableError as error:
        yield Said(Problem("broken_json" if read is read_document else "bad_field", str(error)))
    except ImportError:
        yield Said(Problem("bad_field", _MISSING))


def _said(span: Span, within: Within) -> Said:
    line = line_of_span(span, said={})
    if line is None:
        return Said()
    call = read_delivered(line, sender=_SENDER, earliest=within.earliest, latest=within.latest)
    if isinstance(call, Problem):
        return Said(call, line=line)
    return Said(call, tuple(_score(event, call) for event in span.events if event.name == _RESULT), line=line)


def _score(event: Event, call: Call) -> Score | Problem:
    said = event.attributes
    name = said.get("gen_ai.evaluation.name")
    if not isinstance(name, str) or not name:
        return Problem("bad_field", f"{_RESULT} without gen_ai.evaluation.name")
    value = number_of(said.get("gen_ai.evaluation.score.value"))
    return Score(
        evaluator=evaluator_named("otel", name),
        version="event",
        call_id=call.call_id,
        value=value,
        label=_text(said.get("gen_ai.evaluation.score.label")),
        explanation=_text(said.get("gen_ai.evaluation.explanation")),
        at=_moment(event.at_ns) or call.started_at,
    )


def _moment(at_ns: int) -> datetime | None:
    return EPOCH + timedelta(microseconds=at_ns // 1000) if 0 < at_ns < 1 << 62 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
