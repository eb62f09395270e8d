"""A span of a model call as a line of the call record."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ingest.intake.otlp.kinds import operation_of
from ingest.intake.otlp.messages import Conversation, read_conversation
from ingest.intake.otlp.reading import Reader, as_json, listed
from ingest.intake.otlp.rest import rest_of
from ingest.intake.otlp.spans import Span
from ingest.intake.otlp.usage import read_usage
from ingest.providers.lenient import read_object
from ingest.uuid7 import EPOCH

UNKNOWN = "unknown"
_ID = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
_PROVIDERS = {
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "vertexai": "google",
    "vertex_ai": "google",
    "google_genai": "google",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "aws.bedrock": "aws",
    "aws_bedrock": "aws",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
"""Names of the conventions whose provider has another name in price lists."""
_CLASS = re.compile(r"<class '(?:\w+\.)*(\w+)'>")
"""A Python class as it prints, which some instrumentations take for its name."""
_OF_REQUEST = ("project", "environment")
_FIRST_TOKEN = ("First Token Stream Event", "gen_ai.content.completion.chunk", "llm.content.completion.chunk")


def line_of_span(span: Span, *, said: Mapping[str, str]) -> bytes | None:
    """The line of a span that is a model call, else None.

    `said` is what the request itself says: its project and environment come before the resource's.
    """
    reader = Reader(span.attributes)
    operation = operation_of(reader)
    if operation is None:
        return None
    record = _record(span, reader, operation=operation)
    for name, value in said.items():
        record[name] = value if name in _OF_REQUEST else record.get(name, value)
    try:
        return msgspec.json.encode(record)
    except (UnicodeEncodeError, TypeError, ValueError):
        # Lone surrogates and numbers past 64 bits, which the lenient reader takes.
        plain = {name: _plain(value) for name, value in record.items()}
        return json.dumps(plain, default=as_json).encode()


def _record(span: Span, reader: Reader, *, operation: str) -> dict[str, Any]:
    model = reader.text("llm.model_name", "embedding.model_name")
    asked = reader.text("gen_ai.request.model", "llm.request.model_name", "llm.request.model")
    asked = asked or _asked_model(reader) or model
    answered = reader.text("gen_ai.response.model", "llm.response.model_name", "llm.response.model")
    talk = read_conversation(reader, events=span.events)
    request = _request(reader, talk, model=asked)
    response = None if operation == "embeddings" else _response(reader, talk, model=answered or model)
    usage, usage_raw = read_usage(reader)
    ttft = _ttft_ms(span, reader)
    record = {
        "external_id": _external_id(span),
        "started_at": _moment(span.start_ns),
        "ended_at": _moment(span.end_ns),
        "endpoint": operation,
        "provider": _provider(reader),
        "requested_model": asked or answered or UNKNOWN,
        "served_model": answered or (None if span.is_error else model),
        **_names(span, reader),
        "is_streamed": _is_streamed(reader) or ttft is not None or None,
        **_ending(span, reader),
        "finish_reason": next(iter(talk.finish_reasons), None),
        "ttft_ms": ttft,
        "usage": usage,
        "usage_raw": usage_raw,
        "request": request,
        "response": response,
        "input_text": talk.input_text if talk.asked else _embedded(reader) or _plain_text(reader, "input"),
        "output_text": talk.output_text if talk.answered else _plain_text(reader, "output"),
    }
    if operation == "embeddings":
        record["output_text"] = None
    record["tags"] = rest_of(span, reader, response=response)
    return {name: value for name, value in record.items() if value is not None}


def _moment(at_ns: int) -> datetime | None:
    return EPOCH + timedelta(microseconds=at_ns // 1000) if 0 < at_ns < 1 << 62 else None


def _external_id(span: Span) -> str | None:
    """The two ids; where they are no ids, the call's own comes from all that the span says."""
    ids = (span.trace_id, span.span_id)
    return ":".join(ids) if all(_ID.fullmatch(each) and each.strip("0") for each in ids) else None


def _provider(reader: Reader) -> str:
    said = reader.text("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system") or UNKNOWN
    return _PROVIDERS.get(said.lower(), said.lower())


def _names(span: Span, reader: Reader) -> dict[str, str | None]:
    resource = Reader(span.resource)
    association = "traceloop.association.properties"
    service = resource.text("openinference.project.name", "service.name") or ""
    return {
        "project": None if service.startswith("unknown_service") else service or None,
        "environment": resource.text("deployment.environment.name", "deployment.environment"),
        "user_id": reader.text("user.id", "enduser.id", f"{association}.user_id", "gen_ai.request.user"),
        "session_id": reader.text(
            "session.id", "gen_ai.conversation.id", f"{association}.session_id", f"{association}.chat_id"
        ),
        "trace_id": span.trace_id or None,
        "prompt_name": reader.text("gen_ai.prompt.name", "traceloop.prompt.key", "prompt.id"),
        "prompt_version": reader.text(
            "gen_ai.prompt.version", "traceloop.prompt.version", "llm.prompt_template.version"
        ),
    }


def _ending(span: Span, reader: Reader) -> dict[str, Any]:
    """How the call ended: an error where the span's status or an `error.type` says so."""
    exception = next((event.attributes for event in span.events if event.name == "exception"), {})
    error_type = reader.text("error.type") or _text(exception.get("exception.type"))
    if error_type is not None and (printed := _CLASS.fullmatch(error_type)):
        error_type = printed[1]
    status = reader.number("http.response.status_code", "http.status_code")
    if status is None and error_type is not None and error_type.isascii() and error_type.isdigit():
        status = float(error_type[:4])
    http_status = None if status is None else int(status)
    if not span.is_error and reader.value("error.type") is None:
        return {"status": "ok", "http_status": http_status}
    message = span.message or _text(exception.get("exception.message"))
    return {
        "status": "error",
        "http_status": http_status,
        "error_type": error_type or "error",
        "error_message": message or None,
    }


def _is_streamed(reader: Reader) -> bool:
    names = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
    return any(reader.value(name) is True for name in names) or _settings(reader).get("stream") is True


def _asked_model(reader: Reader) -> str | None:
    """The model in the request's settings: OpenInference's `llm.model_name` is the one that answered."""
    return _text(_settings(reader).get("model")) or _text(_body(reader, "input").get("model"))


def _settings(reader: Reader) -> dict[str, Any]:
    text = reader.value("llm.invocation_parameters", "embedding.invocation_parameters")
    return read_object(text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else {}


def _ttft_ms(span: Span, reader: Reader) -> float | None:
    """Milliseconds to the first piece of the answer: an attribute in seconds, or an event's time."""
    seconds = reader.number("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
    if seconds is not None:
        return round(seconds * 1000, 3)
    first = next((event.at_ns for event in span.events if event.name in _FIRST_TOKEN), 0)
    return round((first - span.start_ns) / 1e6, 3) if first >= span.start_ns > 0 else None


def _request(reader: Reader, talk: Conversation, *, model: str | None) -> Any:
    """The provider's own request where the span has it, else one made of its messages."""
    given = _body(reader, "input")
    messages = given.get("messages")
    if isinstance(messages, list) and all(isinstance(each, dict) and "role" in each for each in messages):
        return reader.value("input.value")
    if talk.asked:
        return {"model": model, "messages": talk.asked}
    return reader.value("input.value") if "model" in given and "input" in given else None


def _response(reader: Reader, talk: Conversation, *, model: str | None) -> Any:
    given = _body(reader, "output")
    if "usage" in given and ("choices" in given or "output" in given or "content" in given):
        return reader.value("output.value")
    if not talk.answered:
        return None
    reasons = [*talk.finish_reasons, *[None] * len(talk.answered)]
    choices = [
        {"index": index, "message": message, "finish_reason": reason}
        for index, (message, reason) in enumerate(zip(talk.answered, reasons, strict=False))
    ]
    response_id = reader.text("gen_ai.response.id")
    return {**({"id": response_id} if response_id else {}), "model": model, "choices": choices}


def _body(reader: Reader, side: str) -> dict[str, Any]:
    """The object in `input.value` or `output.value`; empty where it is text or missing."""
    value = reader.value(f"{side}.value")
    reader.value(f"{side}.mime_type")
    found = listed(value) if isinstance(value, str) and value.lstrip().startswith("{") else []
    return found[0] if len(found) == 1 else {}


def _plain_text(reader: Reader, side: str) -> str | None:
    return _text(reader.value(f"{side}.value"))


def _embedded(reader: Reader) -> str | None:
    """The texts that were embedded."""
    items = [item.get("embedding") for item in reader.items("embedding.embeddings")]
    texts = [_text(item.get("text")) for item in items if isinstance(item, dict)]
    return "\n".join(text for text in texts if text) or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
