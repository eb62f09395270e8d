"""Langfuse's observations: those of a model become calls.

Fields: https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields (both its forms);
in camelCase the same, as its API and its exports from the UI give them.
"""

from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from ingest.call import BodyState, Call, Status
from ingest.importers.canonical import UNKNOWN
from ingest.importers.formats.base import Said, Within
from ingest.importers.formats.langfuse_texts import read_embedded, read_texts
from ingest.importers.formats.langfuse_traces import Trace, Traces
from ingest.importers.formats.langfuse_usage import usage_of
from ingest.importers.formats.names import provider_named, provider_of_model
from ingest.importers.formats.values import encoded_json, mapping_of, tags_of, utc
from ingest.importers.shapes import Shape
from ingest.landing.result import Problem
from ingest.landing.validate import start_problem
from ingest.uuid7 import derived_uuid7

_ABSENT = msgspec.Raw()
_MILLISECOND = timedelta(milliseconds=1)
_CALLS = {"GENERATION": "chat", "EMBEDDING": "embeddings"}
_NO_TRACE = Trace()
_PASSED_OVER = (Said(),)


class Observation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A row of `observations_v2/`, or of `observations/`, which knows less of its trace."""

    id: str
    trace_id: str | None = None
    type: str
    start_time: datetime
    end_time: datetime | None = None
    completion_start_time: datetime | None = None
    project_id: str | None = None
    environment: str | None = None
    parent_observation_id: str | None = None
    name: str | None = None
    metadata: Any = None
    level: str | None = None
    status_message: str | None = None
    version: str | None = None
    input: msgspec.Raw = _ABSENT
    output: msgspec.Raw = _ABSENT
    provided_model_name: str | None = None
    model: str | None = None
    model_parameters: Any = None
    usage_details: Any = None
    cost_details: Any = None
    total_cost: Any = None
    prompt_name: str | None = None
    prompt_version: int | str | None = None
    user_id: str | None = None
    session_id: str | None = None
    trace_name: str | None = None
    tags: Any = None
    release: str | None = None
    usage_pricing_tier_name: str | None = None
    tool_call_names: Any = None
    # Said otherwise already (`input`, `output`, the times), or of no use outside of Langfuse.
    latency: msgspec.Raw = _ABSENT
    time_to_first_token: msgspec.Raw = _ABSENT
    model_id: msgspec.Raw = _ABSENT
    prompt_id: msgspec.Raw = _ABSENT
    created_at: msgspec.Raw = _ABSENT
    updated_at: msgspec.Raw = _ABSENT
    tool_calls: msgspec.Raw = _ABSENT
    tool_definitions: msgspec.Raw = _ABSENT
    usage_pricing_tier_id: msgspec.Raw = _ABSENT
    input_price: msgspec.Raw = _ABSENT
    output_price: msgspec.Raw = _ABSENT
    total_price: msgspec.Raw = _ABSENT
    bookmarked: msgspec.Raw = _ABSENT
    public: msgspec.Raw = _ABSENT


_shape = Shape(Observation)


class Observations:
    """Reads observations; what legacy exports tell of traces alone is looked up in `traces`."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def read(self, line: bytes, within: Within) -> tuple[Said, ...]:
        read = _shape.read(line)
        if isinstance(read, Problem):
            return (Said(read),)
        seen, unknown = read
        endpoint = _CALLS.get(seen.type)
        if endpoint is None:
            return _PASSED_OVER
        trace = self._traces.find(seen.trace_id) if self._traces.count and seen.trace_id else _NO_TRACE
        return (Said(_call(seen, unknown, within, trace=trace, endpoint=endpoint)),)


def _call(
    seen: Observation, unknown: dict[str, Any], within: Within, *, trace: Trace, endpoint: str
) -> Call | Problem:
    started_at, ended_at = cast(datetime, utc(seen.start_time)), utc(seen.end_time)
    problem = start_problem(started_at, earliest=within.earliest, latest=within.latest)
    if problem is not None:
        return problem
    if not seen.id:
        return Problem("missing_field", "the observation has no id")
    model = seen.provided_model_name or seen.model or UNKNOWN
    bodies = (
        read_embedded(seen.input)
        if endpoint == "embeddings"
        else read_texts(seen.input, seen.output, model=model)
    )
    details = mapping_of(seen.usage_details)
    metadata = mapping_of(seen.metadata)
    first = utc(seen.completion_start_time)
    is_error = seen.level == "ERROR"
    return Call(
        call_id=derived_uuid7(started_at, key=b"import\0" + seen.id.encode("utf-8", "surrogatepass")),
        external_id=seen.id,
        started_at=started_at,
        ended_at=ended_at,
        source="import",
        endpoint=endpoint,
        provider=_provider(model, metadata),
        requested_model=model,
        served_model=None if is_error or model == UNKNOWN else model,
        project=seen.project_id or None,
        environment=seen.environment or trace.environment or None,
        user_id=seen.user_id or trace.user_id or None,
        session_id=seen.session_id or trace.session_id or None,
        trace_id=seen.trace_id or None,
        prompt_name=seen.prompt_name or None,
        prompt_version=None if seen.prompt_version in (None, "") else str(seen.prompt_version),
        tags=_tags(seen, metadata, unknown, trace=trace),
        is_streamed=first is not None,
        status=_status(seen, ended_at),
        error_type="error" if is_error else None,
        error_message=(seen.status_message or None) if is_error else None,
        finish_reason=bodies.finish_reason,
        ttft_ms=None if first is None else (first - started_at) / _MILLISECOND,
        latency_ms=None if ended_at is None else (ended_at - started_at) / _MILLISECOND,
        usage=usage_of(details) if details else bodies.usage,
        usage_raw=encoded_json(details).decode() if details else bodies.usage_raw,
        body_state=cast(BodyState, bodies.state),
        request=bodies.request,
        response=bodies.response,
        input_text=bodies.input_text,
        output_text=bodies.output_text,
    )


def _status(seen: Observation, ended_at: datetime | None) -> Status:
    """An observation without an end was exported while it ran: a later export replaces it."""
    if seen.level == "ERROR":
        return "error"
    return "interrupted" if ended_at is None else "ok"


def _provider(model: str, metadata: dict[str, Any]) -> str:
    """LangChain's handler says it; else the model's name does, or nobody."""
    said = metadata.get("ls_provider")
    return provider_named(said.strip('"')) if isinstance(said, str) and said else provider_of_model(model)


def _tags(
    seen: Observation, metadata: dict[str, Any], unknown: dict[str, Any], *, trace: Trace
) -> dict[str, Any]:
    own = {
        "langfuse.name": seen.name,
        "langfuse.trace_name": seen.trace_name or trace.name,
        "langfuse.tags": seen.tags or trace.tags,
        "langfuse.version": seen.version,
        "langfuse.release": seen.release or trace.release,
        "langfuse.parent_observation_id": seen.parent_observation_id,
        "langfuse.level": None if seen.level in ("DEFAULT", "ERROR") else seen.level,
        "langfuse.status_message": None if seen.level == "ERROR" else seen.status_message,
        "langfuse.total_cost": seen.total_cost,
        "langfuse.cost_details": mapping_of(seen.cost_details),
        "langfuse.model_parameters": seen.model_parameters,
        "langfuse.pricing_tier": seen.usage_pricing_tier_name,
        "langfuse.tool_call_names": seen.tool_call_names,
    }
    more = {f"langfuse.{name}": value for name, value in unknown.items()} if unknown else unknown
    return tags_of({**own, **more, **metadata})
