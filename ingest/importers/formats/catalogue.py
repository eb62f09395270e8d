"""Every format that `lqo import` reads."""

from collections.abc import Callable

from ingest.importers.canonical import to_call
from ingest.importers.formats.base import Format, Read, Said, Within
from ingest.importers.formats.helicone import read_request
from ingest.importers.formats.langfuse import Observations
from ingest.importers.formats.langfuse_scores import read_score
from ingest.importers.formats.langfuse_traces import Traces
from ingest.importers.formats.litellm import read_log
from ingest.importers.formats.openai_stored import read_completion
from ingest.importers.formats.otlp import read_traces
from ingest.importers.formats.values import snake_cased
from ingest.importers.record import parse_line
from ingest.landing.result import Problem

NAMES = ("canonical", "langfuse", "helicone", "litellm", "openai", "otlp")


def read_canonical(line: bytes, within: Within) -> tuple[Said, ...]:
    """The call of one line of the call record."""
    parsed = parse_line(line)
    if isinstance(parsed, Problem):
        return (Said(parsed),)
    return (Said(to_call(parsed, line=line, earliest=within.earliest, latest=within.latest)),)


def make_formats(traces: Traces) -> tuple[Format, ...]:
    """All formats for one run, the more telling first; `traces` holds what Langfuse's files say of traces."""
    observations = Observations(traces)
    return (
        Format("canonical", "calls", read_canonical, _has("started_at")),
        Format("langfuse", "calls", observations.read, _has("id", "type", "start_time", "trace_id")),
        Format("langfuse", "calls", _snake(observations.read), _has("id", "type", "startTime", "traceId")),
        Format("langfuse", "scores", read_score, _has("id", "name", "source", "data_type")),
        Format("langfuse", "scores", _snake(read_score), _has("id", "name", "source", "dataType")),
        Format("langfuse", "context", _snake(traces.read), _has("id", "timestamp", "public", "userId")),
        Format("langfuse", "context", traces.read, _has("id", "timestamp", "public", "tags")),
        Format("helicone", "calls", read_request, _has("request_id", "request_created_at")),
        Format("litellm", "calls", read_log, _has("startTime", "call_type")),
        Format("openai", "calls", read_completion, _has("id", "object", "created", "choices")),
        Format("openai", "calls", read_completion, _has("id", "object", "created_at", "output")),
        Format("otlp", "calls", read_traces, _has("resourceSpans")),
        Format("otlp", "calls", read_traces, _has("resource_spans")),
    )


def _snake(read: Read) -> Read:
    """The reader for exports in camelCase."""
    return lambda line, within: read(snake_cased(line), within)


def _has(*names: str) -> Callable[[frozenset[str]], bool]:
    return frozenset(names).issubset
