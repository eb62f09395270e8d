"""From a record of canonical JSONL to a call: ids derived, what is not said read from the bodies."""

from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from ingest.call import BodyState, Call, Purpose, Source, Status
from ingest.importers.bodies import Bodies, read_bodies
from ingest.importers.record import Name, Parsed, Record
from ingest.landing.result import Problem
from ingest.landing.validate import start_problem
from ingest.providers.answers import SERVICE_TIER_TAG
from ingest.providers.lenient import read_json
from ingest.uuid7 import derived_uuid7, is_uuid7_of

UNKNOWN = "unknown"
_MILLISECOND = timedelta(milliseconds=1)


def to_call(
    parsed: Parsed, *, line: bytes, earliest: datetime, latest: datetime, source: Source = "import"
) -> Call | Problem:
    """The call that a line states. What it says stands; what it leaves out is read from its bodies.

    `line` derives the id of a record that has none: the same line is the same call. Foreign ids are
    those of `source`: the same one from elsewhere is another call.
    """
    record = parsed.record
    started_at = record.started_at
    if started_at is None:
        return Problem("missing_field", "started_at is missing")
    problem = start_problem(started_at, earliest=earliest, latest=latest)
    if problem is not None:
        return problem
    bodies = read_bodies(record)
    model = record.requested_model or bodies.requested_model or record.served_model or bodies.served_model
    if not model:
        return Problem("missing_field", "requested_model is missing, and the request names no model")
    call_id, external_id, is_left = _ids(record, started_at, line=line, source=source)
    return _call(
        record,
        bodies,
        started_at,
        call_id=call_id,
        external_id=external_id,
        source=source,
        model=model,
        tags=_tags(parsed, bodies, other_id=record.call_id if is_left else None, source=source),
    )


def _call(
    record: Record,
    bodies: Bodies,
    started_at: datetime,
    *,
    call_id: UUID,
    external_id: str | None,
    source: Source,
    model: str,
    tags: dict[str, Any],
) -> Call:
    error_type = _text(record.error_type) or bodies.error_type
    error_message = record.error_message or bodies.error_message
    ended_at, latency_ms = _end(started_at, record.ended_at, record.latency_ms)
    usage, usage_raw = _usage(record, bodies)
    return Call(
        call_id=call_id,
        started_at=started_at,
        ended_at=ended_at,
        external_id=external_id,
        source=source,
        endpoint=record.endpoint or UNKNOWN,
        provider=record.provider or UNKNOWN,
        requested_model=model,
        served_model=record.served_model or bodies.served_model,
        project=_text(record.project),
        environment=_text(record.environment),
        key_id=_text(record.key_id),
        user_id=_text(record.user_id),
        session_id=_text(record.session_id),
        trace_id=_text(record.trace_id),
        prompt_name=_text(record.prompt_name),
        prompt_version=_text(record.prompt_version),
        tags=tags,
        is_streamed=bool(record.is_streamed),
        status=cast(Status, record.status or _status(error_type, error_message, record.http_status)),
        http_status=record.http_status,
        error_type=error_type,
        error_message=error_message,
        finish_reason=record.finish_reason or bodies.finish_reason,
        ttft_ms=record.ttft_ms,
        latency_ms=latency_ms,
        usage=usage,
        usage_raw=usage_raw,
        purpose=cast(Purpose, record.purpose or "product"),
        body_state=cast(BodyState, record.body_state or bodies.state),
        attempts=record.attempts or (),
        request=bodies.request,
        response=bodies.response,
        input_text=bodies.input_text,
        output_text=bodies.output_text,
    )


def _ids(
    record: Record, started_at: datetime, *, line: bytes, source: Source
) -> tuple[UUID, str | None, bool]:
    """`call_id`, `external_id`, and whether the record's own call_id is neither."""
    external_id = _text(record.external_id)
    given = _text(record.call_id)
    if given:
        own = _matching_v7(given, started_at)
        if own is not None:
            return own, external_id, False
    foreign = external_id or given
    if foreign:
        key = source.encode() + b"\0" + foreign.encode("utf-8", "surrogatepass")
        return derived_uuid7(started_at, key=key), foreign, given not in (None, foreign)
    return derived_uuid7(started_at, key=b"line\0" + line.strip()), None, False


def _matching_v7(text: str, started_at: datetime) -> UUID | None:
    """`text` as a call_id: a v7 whose time is `started_at` to the millisecond."""
    if len(text) not in (32, 36):
        return None
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if is_uuid7_of(value, started_at) else None


def _tags(parsed: Parsed, bodies: Bodies, *, other_id: Name, source: Source) -> dict[str, Any]:
    record, given = parsed.record, parsed.record.tags
    tags: dict[str, Any] = given if isinstance(given, dict) else {} if given is None else {"tags": given}
    more: dict[str, Any] = dict(parsed.unknown)
    if record.source not in (None, source):
        more["source"] = record.source
    if other_id is not None:
        more["call_id"] = str(other_id)
    if bodies.service_tier is not None:
        more[SERVICE_TIER_TAG] = bodies.service_tier
    return {**more, **tags} if more else tags


def _usage(record: Record, bodies: Bodies) -> tuple[dict[str, Any] | None, str | None]:
    """The provider's usage, read and as received; a JSON object written as a string is read, too."""
    raw = bytes(record.usage)
    if not raw or raw == b"null":
        if record.usage_raw is None:
            return bodies.usage, bodies.usage_raw
        raw = record.usage_raw.encode("utf-8", "surrogatepass")
    value = read_json(raw)
    if isinstance(value, str):
        value = read_json(value.encode("utf-8", "surrogatepass"))
    text = record.usage_raw or raw.decode("utf-8", "replace")
    return (value if isinstance(value, dict) else None), text


def _end(
    started_at: datetime, ended_at: datetime | None, latency_ms: float | None
) -> tuple[datetime | None, float | None]:
    """End and latency, each from the other where one is missing."""
    if ended_at is not None and latency_ms is None and ended_at.tzinfo is not None:
        return ended_at, (ended_at - started_at) / _MILLISECOND
    if ended_at is None and latency_ms is not None and 0 <= latency_ms < 1e12:
        return started_at + latency_ms * _MILLISECOND, latency_ms
    return ended_at, latency_ms


def _status(error_type: str | None, error_message: str | None, http_status: int | None) -> str:
    is_error = error_type or error_message or (http_status is not None and http_status >= 400)
    return "error" if is_error else "ok"


def _text(value: Name) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)
