"""START, PARTs and END become one call, read by its endpoint's dialect."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from ingest.call import Attempt, BodyState, Call, Purpose, Status
from ingest.providers.answers import SERVICE_TIER_TAG
from ingest.providers.base import Exchange
from ingest.providers.catalogue import reader_of
from ingest.providers.lenient import read_json
from ingest.providers.openai_chat import read_exchange
from ingest.providers.response_id import RESPONSE_ID_TAG, response_id_of
from ingest.spool.records import End, Part, Said, Start

UNREADABLE_TAG = "lqo.unreadable"


def assemble(start: Start, *, parts: Sequence[Part], end: End | None) -> Call:
    """The call that these records tell of; without an END it is `interrupted`, with what was received."""
    ordered = sorted(parts, key=lambda part: part.number)
    response = b"".join((*(part.response for part in ordered), end.response if end else b""))
    headers = end.response_headers if end else {}
    # By endpoint, not by provider: Claude and Gemini are reached through OpenAI's dialect, too.
    read = reader_of(start.endpoint) or read_exchange
    exchange = read(
        request=start.request,
        response=response,
        is_streamed=start.is_streamed,
        http_status=end.http_status if end else None,
        content_encoding=headers.get("content-encoding"),
    )
    told = end.said if end else None
    said = _told(exchange, said=told, input_text=start.input_text)
    response_id = response_id_of(response) if told is None else told.response_id
    return _call(start, response=response, end=end, said=said, response_id=response_id)


def _told(read: Exchange, *, said: Said | None, input_text: str | None) -> Exchange:
    """What the proxy told of bodies that it did not keep stands before what is left of them."""
    read = replace(read, input_text=input_text or read.input_text)
    if said is None:
        return read
    return Exchange(
        served_model=said.served_model or read.served_model,
        finish_reason=said.finish_reason or read.finish_reason,
        usage=_usage(said) or read.usage,
        usage_raw=said.usage_raw or read.usage_raw,
        input_text=read.input_text,
        output_text=read.output_text if said.output_text is None else said.output_text,
        error_type=said.error_type or read.error_type,
        error_message=said.error_message or read.error_message,
        unreadable=said.unreadable,
        service_tier=said.service_tier or read.service_tier,
    )


def _usage(said: Said) -> dict[str, Any] | None:
    text = said.usage or said.usage_raw
    usage = None if text is None else read_json(text.encode("utf-8", "surrogatepass"))
    return usage if isinstance(usage, dict) else None


def _body_state(start: Start, end: End | None) -> BodyState:
    """What was kept of the call: of half of it where room was short for the other."""
    is_shed = "shed" in (start.body_state, end.body_state if end else None)
    return cast(BodyState, "shed" if is_shed else start.body_state)


def _call(start: Start, *, response: bytes, end: End | None, said: Exchange, response_id: str | None) -> Call:
    observer = start.observer
    return Call(
        call_id=start.call_id,
        started_at=moment(start.started_at_ns),
        ended_at=_ended_at(start, end) if end else None,
        source="proxy",
        endpoint=start.endpoint,
        provider=_provider(start, end),
        requested_model=start.requested_model,
        served_model=said.served_model,
        project=observer.get("project"),
        environment=observer.get("environment"),
        key_id=start.key_id,
        user_id=observer.get("user_id"),
        session_id=observer.get("session_id"),
        trace_id=observer.get("trace_id"),
        prompt_name=observer.get("prompt_name"),
        prompt_version=observer.get("prompt_version"),
        tags=_tags(observer.get("tags"), said=said, response_id=response_id),
        is_streamed=start.is_streamed,
        status=_status(end, said=said),
        http_status=end.http_status if end else None,
        error_type=(end.error_type if end else None) or said.error_type,
        error_message=(end.error_message if end else None) or said.error_message,
        finish_reason=said.finish_reason,
        ttft_ms=end.ttft_ms if end else None,
        latency_ms=end.latency_ms if end else None,
        usage=said.usage,
        usage_raw=said.usage_raw,
        purpose=cast(Purpose, start.purpose),
        body_state=_body_state(start, end),
        attempts=_attempts(end.attempts if end else (), usage=said.usage),
        request=start.request or None,
        response=response or None,
        input_text=said.input_text,
        output_text=said.output_text,
    )


def _status(end: End | None, *, said: Exchange) -> Status:
    """How the call ended; a stream that began with 200 may tell of a failure further down."""
    if end is None:
        return "interrupted"
    return "error" if end.status == "ok" and said.error_type is not None else cast(Status, end.status)


def _provider(start: Start, end: End | None) -> str:
    """Who answered, or was asked last: a call may have gone on from the target it started with."""
    last = end.attempts[-1].get("provider") if end and end.attempts else None
    return last if isinstance(last, str) and last else start.provider


def _ended_at(start: Start, end: End) -> datetime:
    """When the call ended; where the clock was set back meanwhile, its latency says it better."""
    if end.ended_at_ns >= start.started_at_ns:
        return moment(end.ended_at_ns)
    return moment(start.started_at_ns + int((end.latency_ms or 0.0) * 1e6))


def moment(nanoseconds: int) -> datetime:
    """Unix nanoseconds as a UTC time, cut to the microsecond (a float of seconds would round)."""
    seconds, rest = divmod(nanoseconds // 1000, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def _tags(text: str | None, *, said: Exchange, response_id: str | None) -> dict[str, Any]:
    given = {} if text is None else read_json(text.encode("utf-8", "surrogatepass"))
    tags: dict[str, Any] = given if isinstance(given, dict) else {"tags": text}
    # A price hangs on it: it is the answer's to say, and no client's.
    tags.pop(SERVICE_TIER_TAG, None)
    ours = {
        UNREADABLE_TAG: said.unreadable,
        RESPONSE_ID_TAG: response_id,
        SERVICE_TIER_TAG: said.service_tier,
    }
    return {**tags, **{name: value for name, value in ours.items() if value is not None}}


def _attempts(given: Sequence[dict[str, Any]], *, usage: dict[str, Any] | None) -> tuple[Attempt, ...]:
    """The attempts as the contract has them. What was used, the last one used."""
    attempts = tuple(msgspec.convert(attempt, Attempt, strict=False) for attempt in given)
    if not attempts or usage is None or attempts[-1].usage is not None:
        return attempts
    return (*attempts[:-1], msgspec.structs.replace(attempts[-1], usage=usage))
