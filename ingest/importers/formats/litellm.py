"""LiteLLM's request logs: rows of its table `LiteLLM_SpendLogs`, and the objects it writes to buckets.

Fields: `model LiteLLM_SpendLogs` in github.com/BerriAI/litellm (schema.prisma), as its API (`/spend/logs`)
and `row_to_json` give them; `StandardLoggingPayload` in litellm/types/utils.py
(https://docs.litellm.ai/docs/proxy/logging_spec), as S3, GCS and Azure logging writes one a file.
"""

from datetime import datetime
from typing import Any

import msgspec

from ingest.importers.canonical import to_call
from ingest.importers.formats.base import Said, Within
from ingest.importers.formats.names import provider_named, provider_of_model
from ingest.importers.formats.values import body_of, encoded_json, mapping_of, tags_of, utc
from ingest.importers.record import Parsed, Record
from ingest.importers.shapes import Shape
from ingest.landing.result import Problem

_ABSENT = msgspec.Raw()
_ENDPOINTS = {
    "completion": "/v1/chat/completions",
    "text_completion": "/v1/completions",
    "embedding": "/v1/embeddings",
    "responses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
    "generate_content": "/v1beta/models/{model}:generateContent",
}
_NO_CALLS = (
    "health",
    "mcp",
    "batch",
    "file",
    "rerank",
    "search",
    "image",
    "speech",
    "transcription",
    "moderation",
)
"""Kinds of calls (`call_type`) that answer with no text of a model."""
_FAILED = ("failure", "error")


class Log(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False, rename=None):
    """One request, in either form. Times without an offset are UTC; numbers are Unix seconds."""

    request_id: str | None = None
    id: str | None = None
    call_type: str | None = None
    startTime: datetime | float  # noqa: N815  (as LiteLLM has it)
    endTime: datetime | float | None = None  # noqa: N815
    completionStartTime: datetime | float | None = None  # noqa: N815
    model: str | None = None
    model_group: str | None = None
    custom_llm_provider: str | None = None
    api_base: str | None = None
    api_key: str | None = None
    user: str | None = None
    end_user: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    status: str | None = None
    error_str: str | None = None
    error_information: Any = None
    messages: msgspec.Raw = _ABSENT
    response: msgspec.Raw = _ABSENT
    proxy_server_request: msgspec.Raw = _ABSENT
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    metadata: Any = None
    request_tags: Any = None
    spend: float | None = None
    response_cost: float | None = None
    cache_hit: bool | str | None = None
    stream: bool | None = None
    model_parameters: Any = None
    # Said otherwise already, or about LiteLLM itself.
    model_id: msgspec.Raw = _ABSENT
    model_map_information: msgspec.Raw = _ABSENT
    hidden_params: msgspec.Raw = _ABSENT
    response_time: msgspec.Raw = _ABSENT
    request_duration_ms: msgspec.Raw = _ABSENT
    cache_key: msgspec.Raw = _ABSENT
    saved_cache_cost: msgspec.Raw = _ABSENT
    cost_breakdown: msgspec.Raw = _ABSENT
    status_fields: msgspec.Raw = _ABSENT
    response_cost_failure_debug_info: msgspec.Raw = _ABSENT
    requester_ip_address: msgspec.Raw = _ABSENT
    guardrail_information: msgspec.Raw = _ABSENT
    standard_built_in_tools_params: msgspec.Raw = _ABSENT


_shape = Shape(Log)
_PASSED_OVER = (Said(),)


def read_log(line: bytes, within: Within) -> tuple[Said, ...]:
    """The call of one log; LiteLLM keeps no scores."""
    read = _shape.read(line)
    if isinstance(read, Problem):
        return (Said(read),)
    log, unknown = read
    kind = (log.call_type or "").removeprefix("a")
    if any(word in kind for word in _NO_CALLS):
        return _PASSED_OVER
    external_id = log.request_id or log.id
    if not external_id:
        return (Said(Problem("missing_field", "request_id is missing")),)
    record = _record(log, unknown, external_id=external_id, kind=kind)
    call = to_call(Parsed(record, {}), line=line, earliest=within.earliest, latest=within.latest)
    return (Said(call),)


def _record(log: Log, unknown: dict[str, Any], *, external_id: str, kind: str) -> Record:
    metadata = mapping_of(log.metadata)
    is_cached = str(log.cache_hit).lower() == "true"
    error = mapping_of(log.error_information) or mapping_of(metadata.get("error_information"))
    has_failed = log.status in _FAILED or bool(log.error_str)
    usage = _usage(log, metadata)
    request, messages = _asked(log)
    response, output_text = body_of(log.response)
    started_at, first = _moment(log.startTime), _moment(log.completionStartTime)
    ended_at = _moment(log.endTime)
    is_streamed = log.stream is True or (first is not None and first not in (started_at, ended_at))
    return Record(
        external_id=external_id,
        started_at=started_at,
        ended_at=ended_at,
        endpoint=_ENDPOINTS.get(kind, kind or None),
        provider=_provider(log),
        requested_model=log.model_group or log.model or None,
        served_model=None if has_failed else log.model or None,
        project=metadata.get("user_api_key_team_alias") or log.team_id or None,
        key_id=log.api_key or metadata.get("user_api_key_hash") or None,
        user_id=log.end_user or log.user or metadata.get("user_api_key_user_id") or None,
        session_id=log.session_id or None,
        trace_id=log.trace_id or None,
        tags=_tags(log, metadata, unknown, cached=usage if is_cached else None),
        is_streamed=is_streamed,
        status="error" if has_failed else None,
        http_status=_code(error.get("error_code")),
        error_type=(error.get("error_class") or "error") if has_failed else None,
        error_message=(log.error_str or error.get("error_message")) if has_failed else None,
        ttft_ms=(first - started_at).total_seconds() * 1000
        if is_streamed and first is not None and started_at is not None
        else None,
        # Nobody was asked, and nothing is paid: a cached answer has no usage.
        usage=msgspec.Raw(b"{}") if is_cached else usage,
        request=request,
        messages=messages,
        response=_ABSENT if response is None or has_failed else msgspec.Raw(response),
        output_text=output_text,
    )


def _asked(log: Log) -> tuple[msgspec.Raw, msgspec.Raw]:
    """The request that came in; or the messages of which one is made; or the text."""
    request, _ = body_of(log.proxy_server_request)
    if request is not None and request[:1] == b"{" and b'"messages"' in request:
        return msgspec.Raw(request), _ABSENT
    messages, text = body_of(log.messages)
    if messages is not None:
        return (_ABSENT, msgspec.Raw(messages)) if messages[:1] == b"[" else (msgspec.Raw(messages), _ABSENT)
    return (_ABSENT if text is None else msgspec.Raw(encoded_json(text))), _ABSENT


def _usage(log: Log, metadata: dict[str, Any]) -> msgspec.Raw:
    """The provider's object where LiteLLM kept it, else its own counts in OpenAI's form."""
    for name in ("usage_object", "additional_usage_values"):
        said = mapping_of(metadata.get(name))
        if "prompt_tokens" in said or "input_tokens" in said:
            return msgspec.Raw(encoded_json(said))
    if b'"usage"' in bytes(log.response) or not (log.prompt_tokens or log.completion_tokens):
        return _ABSENT
    asked, answered = log.prompt_tokens or 0, log.completion_tokens or 0
    usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": log.total_tokens}
    return msgspec.Raw(encoded_json(usage))


def _provider(log: Log) -> str:
    if log.custom_llm_provider:
        return provider_named(log.custom_llm_provider)
    return provider_of_model(log.model or log.model_group or "")


def _moment(at: datetime | float | None) -> datetime | None:
    if isinstance(at, int | float):
        return msgspec.convert(at, datetime, strict=False) if 0 < at < 1e11 else None
    return utc(at)


def _code(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else None


def _tags(log: Log, metadata: dict[str, Any], unknown: dict[str, Any], *, cached: Any) -> dict[str, Any]:
    keep = ("user_api_key_alias", "user_api_key_user_id", "requester_metadata", "spend_logs_metadata")
    own = {
        "litellm.tags": _tag_list(log.request_tags),
        "litellm.spend": log.spend if log.spend is not None else log.response_cost,
        "litellm.api_base": log.api_base,
        "litellm.organization_id": log.organization_id,
        "litellm.cache_hit": None if cached is None else True,
        "litellm.cached_usage": None if cached is None or not bytes(cached) else bytes(cached).decode(),
        "litellm.model_parameters": log.model_parameters,
        **{f"litellm.{name}": metadata.get(name) for name in keep},
    }
    return tags_of({**own, **{f"litellm.{name}": value for name, value in unknown.items()}})


def _tag_list(value: Any) -> Any:
    return value if isinstance(value, list) else mapping_of(value)
