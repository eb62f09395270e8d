"""Helicone's requests, as its export tool and `POST /v1/request/query-clickhouse` give them.

Fields: `HeliconeRequest` in github.com/Helicone/helicone (lib/api/request), and examples/export/typescript.
Bodies are there where the export took them along (`--include-body`).
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ingest.call import Call
from ingest.importers.canonical import to_call
from ingest.importers.formats.base import Said, Score, Within
from ingest.importers.formats.names import evaluator_named, provider_named, provider_of_model
from ingest.importers.formats.values import encoded_json, mapping_of, number_of, tags_of, utc
from ingest.importers.record import Parsed, Record
from ingest.importers.shapes import Shape
from ingest.landing.result import Problem
from ingest.providers.lenient import read_object

_ABSENT = msgspec.Raw()
_OWN_STATUS = {-1: "timeout", -2: "pending", -3: "cancelled", -4: "threat", -5: "evaluation"}
"""Statuses below 0 are Helicone's own: the request never got the provider's answer."""
_LEFT_OUT = "helicone_message"
"""Stands in place of a body that was too large."""


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One request. Times without an offset are UTC, durations milliseconds."""

    request_id: str
    request_created_at: datetime
    response_created_at: datetime | None = None
    response_id: str | None = None
    request_body: msgspec.Raw = _ABSENT
    response_body: msgspec.Raw = _ABSENT
    response_status: int | None = None
    request_path: str | None = None
    target_url: str | None = None
    request_user_id: str | None = None
    request_properties: Any = None
    properties: Any = None
    request_model: str | None = None
    response_model: str | None = None
    model_override: str | None = None
    model: str | None = None
    provider: str | None = None
    delay_ms: float | None = None
    time_to_first_token: float | None = None
    prompt_tokens: int | None = None
    prompt_cache_write_tokens: int | None = None
    prompt_cache_read_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    prompt_id: str | None = None
    prompt_version: str | int | None = None
    feedback_created_at: datetime | None = None
    feedback_id: str | None = None
    feedback_rating: bool | int | None = None
    scores: Any = None
    country_code: str | None = None
    costUSD: float | None = None  # noqa: N815  (as the export has it)
    cost: float | None = None
    # Where something lies at Helicone, and what its bodies say again.
    signed_body_url: msgspec.Raw = _ABSENT
    llmSchema: msgspec.Raw = _ABSENT  # noqa: N815
    asset_ids: msgspec.Raw = _ABSENT
    asset_urls: msgspec.Raw = _ABSENT
    assets: msgspec.Raw = _ABSENT
    helicone_user: msgspec.Raw = _ABSENT
    streamed_data: msgspec.Raw = _ABSENT


_shape = Shape(Request)


def read_request(line: bytes, within: Within) -> tuple[Said, ...]:
    """The call of one request, with its scores and the rating that its user gave."""
    read = _shape.read(line)
    if isinstance(read, Problem):
        return (Said(read),)
    request, unknown = read
    call = to_call(
        Parsed(_record(request, unknown), {}),
        line=line,
        earliest=within.earliest,
        latest=within.latest,
    )
    return (Said(call, _scores(request, call) if isinstance(call, Call) else ()),)


def _record(request: Request, unknown: dict[str, Any]) -> Record:
    properties = {**mapping_of(request.properties), **mapping_of(request.request_properties)}
    status = request.response_status
    own = _OWN_STATUS.get(status, "unknown") if status is not None and status < 0 else None
    asked = request.model_override or request.request_model or request.model
    path = urlsplit(request.request_path or request.target_url or "").path
    body = _body(request.response_body)
    return Record(
        external_id=request.request_id,
        started_at=utc(request.request_created_at),
        ended_at=utc(request.response_created_at) if request.delay_ms is None else None,
        endpoint=path or None,
        provider=provider_named(request.provider) if request.provider else provider_of_model(asked or ""),
        requested_model=asked or request.response_model,
        served_model=request.response_model,
        user_id=request.request_user_id or None,
        session_id=_text(properties.pop("Helicone-Session-Id", None)),
        prompt_name=request.prompt_id or None,
        prompt_version=request.prompt_version,
        tags=_tags(request, properties, unknown),
        is_streamed=read_object(bytes(request.request_body)).get("stream") is True or None,
        status=_status(own),
        http_status=status if own is None else None,
        error_type=None if own in (None, "pending", "cancelled") else own,
        ttft_ms=request.time_to_first_token,
        latency_ms=request.delay_ms,
        usage=_usage(request) if b'"usage' not in body else _ABSENT,
        request=msgspec.Raw(_body(request.request_body)),
        response=msgspec.Raw(body),
    )


def _status(own: str | None) -> str | None:
    if own is None:
        return None
    return {"pending": "interrupted", "cancelled": "client_gone"}.get(own, "error")


def _body(raw: msgspec.Raw) -> bytes:
    """A body, or nothing where only a note stands for it."""
    data = bytes(raw)
    is_note = len(data) < 200 and _LEFT_OUT in read_object(data)
    return b"" if is_note or data in (b"null", b"{}", b'""') else data


def _usage(request: Request) -> msgspec.Raw:
    """OpenAI's object of Helicone's own counts, for answers that are not there to say it themselves.

    Helicone counts cached tokens beside the prompt's (packages/cost), so they are added.
    """
    if request.prompt_tokens is None and request.completion_tokens is None:
        return _ABSENT
    read, written = request.prompt_cache_read_tokens or 0, request.prompt_cache_write_tokens or 0
    asked, answered = (request.prompt_tokens or 0) + read + written, request.completion_tokens or 0
    usage: dict[str, Any] = {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
    }
    if read or written:
        usage["prompt_tokens_details"] = {"cached_tokens": read, "cache_write_tokens": written}
    if request.reasoning_tokens:
        usage["completion_tokens_details"] = {"reasoning_tokens": request.reasoning_tokens}
    return msgspec.Raw(encoded_json(usage))


def _scores(request: Request, call: Call) -> tuple[Score | Problem, ...]:
    at = utc(request.feedback_created_at) or utc(request.response_created_at) or call.started_at
    found: list[Score | Problem] = []
    if request.feedback_rating is not None:
        rating = number_of(request.feedback_rating)
        found.append(
            Problem("bad_field", "the rating is no number to count with")
            if rating is None
            else Score(evaluator="rating", call_id=call.call_id, value=rating, at=at, is_feedback=True)
        )
    for name, given in mapping_of(request.scores).items():
        value = number_of(given.get("value") if isinstance(given, dict) else given)
        if value is None:
            found.append(Problem("bad_field", f"the score {name} is no number to count with"))
            continue
        evaluator = evaluator_named("helicone", name)
        found.append(Score(evaluator=evaluator, version="scores", call_id=call.call_id, value=value))
    return tuple(found)


def _tags(request: Request, properties: dict[str, Any], unknown: dict[str, Any]) -> dict[str, Any]:
    own = {
        "helicone.response_id": request.response_id,
        "helicone.country_code": request.country_code,
        "helicone.cost_usd": request.costUSD if request.costUSD is not None else request.cost,
    }
    return tags_of({**own, **{f"helicone.{name}": value for name, value in unknown.items()}, **properties})


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)
