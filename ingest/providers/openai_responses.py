"""OpenAI `/v1/responses`: items in, items out, and a stream whose last event repeats the whole response.

Reference: https://platform.openai.com/docs/api-reference/responses
"""

import re
from dataclasses import dataclass, field
from typing import Any

from ingest.providers.answers import (
    TIER,
    last_frames,
    read_document,
    read_members,
    reading_of,
    tier_of,
    unpacked,
)
from ingest.providers.base import Reading
from ingest.providers.exchange import Answer, reader
from ingest.providers.lenient import is_event_stream, raw_member, read_json, read_object, stream_data
from ingest.providers.members import as_text, leading_value, trailing_value
from ingest.providers.values import gateway_error, member, objects, string_of, text_of

_LAST = re.compile(rb'[\r\n](?:event: ?|data: ?\{"type": ?")response\.(?:completed|failed|incomplete)["\r\n]')
_DELTAS = frozenset(
    {
        "response.output_text.delta",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
    }
)
_WHOLE = frozenset({"response.completed", "response.failed", "response.incomplete"})


def is_last_event(tail: bytes) -> bool:
    """Has the event begun that ends a response, well or not?"""
    return _LAST.search(tail) is not None


def read_responses_usage(*, head: bytes, tail: bytes) -> Reading:
    """Model and usage of a document, or of the response in a stream's last event, which may be a long one."""
    head, tail = unpacked(head, tail)
    if not is_event_stream(head or tail):
        return read_document(head, tail, usage="usage", model="model")
    for frame in last_frames(tail, holding=b'"usage"'):
        response = member(read_members(frame), "response")
        if isinstance(response.get("usage"), dict):
            return reading_of(response.get("model"), response["usage"], tier=response.get(TIER))
        if not frame.startswith(b"{"):
            text = as_text(frame)
            usage = trailing_value(text, "usage", depth=2)
            if usage is not None:
                model = trailing_value(text, "model", depth=2) or _first_model(head)
                return reading_of(model, usage, tier=trailing_value(text, TIER, depth=2))
    return reading_of(_first_model(head), None)


def _first_model(head: bytes) -> Any:
    """The model in `response.created`, of which the kept head may hold only the beginning."""
    at = head.find(b'"response":')
    return None if at < 0 else leading_value(as_text(head[at + 11 :]), "model")


@dataclass(slots=True)
class _Gathered:
    """A stream's output, put together from its deltas, for one that never came to its last event."""

    model: str | None = None
    error: Any = None
    pieces: dict[tuple[object, object], list[str]] = field(default_factory=dict)
    names: dict[object, str] = field(default_factory=dict)

    def add(self, event: dict[str, Any]) -> None:
        kind = str(event.get("type"))
        self.model = string_of(member(event, "response").get("model")) or self.model
        at = event.get("output_index"), event.get("content_index")
        if kind in _DELTAS:
            self.pieces.setdefault(at, []).append(text_of(event.get("delta")))
        elif kind == "response.output_item.added":
            name = string_of(member(event, "item").get("name"))
            if name is not None:
                self.names[at[0]] = name
                self.pieces.setdefault(at, [])
        elif kind == "error":
            self.error = event.get("error") if isinstance(event.get("error"), dict) else _flat_error(event)

    @property
    def text(self) -> str | None:
        if not self.pieces:
            return None
        said = [(self.names.get(at[0]), "".join(parts)) for at, parts in self.pieces.items()]
        texts = [text for name, text in said if name is None]
        return "".join(texts) or "\n".join(f"{name}({text})" for name, text in said if name is not None)


def _flat_error(event: dict[str, Any]) -> dict[str, Any]:
    """An `error` event says code and message beside its own type."""
    return {"type": event.get("code") or "error", "message": event.get("message")}


def _read_answer(body: bytes) -> Answer:
    if not is_event_stream(body):
        return _read_response(read_object(body), usage_raw=_usage_raw(body))
    gathered = _Gathered()
    for data in stream_data(body):
        event = read_object(data)
        response = member(event, "response")
        if event.get("type") in _WHOLE and response:
            return _read_response(response, usage_raw=_usage_raw(_raw_response(data)))
        gathered.add(event)
    return Answer(model=gathered.model, text=gathered.text, error=gathered.error, is_understood=True)


def _raw_response(data: bytes) -> bytes:
    return (raw_member(data, "response") or "").encode()


def _usage_raw(document: bytes) -> str | None:
    raw = raw_member(document, "usage")
    return raw if raw is not None and isinstance(read_json(raw.encode()), dict) else None


def _read_response(response: dict[str, Any], *, usage_raw: str | None) -> Answer:
    error = response.get("error")
    if error is None and "output" not in response and response:
        error = gateway_error(response)
    return Answer(
        model=string_of(response.get("model")),
        finish_reason=_finish_reason(response),
        usage_raw=usage_raw,
        service_tier=tier_of(response.get(TIER)),
        text=_output_text(response),
        error=error,
        is_understood=bool(response),
    )


def _finish_reason(response: dict[str, Any]) -> str | None:
    """Why a response is incomplete, else its status (`completed`, `failed` …)."""
    reason = string_of(member(response, "incomplete_details").get("reason"))
    return reason or string_of(response.get("status"))


def _output_text(response: dict[str, Any]) -> str | None:
    if not isinstance(response.get("output"), list):
        return None
    items = objects(response["output"])
    texts = [text_of(item.get("content")) for item in items if item.get("type", "message") == "message"]
    return "\n\n".join(text for text in texts if text) or "\n".join(filter(None, map(_call_text, items)))


def _call_text(item: dict[str, Any]) -> str:
    """`name(arguments)` of a tool call; calls of the provider's own tools have no name."""
    name = text_of(item.get("name"))
    return f"{name}({text_of(item.get('arguments') or item.get('input'))})" if name else ""


def _asked(request: dict[str, Any]) -> str | None:
    """The last user message of `input`, which may also be a bare string."""
    given = request.get("input")
    if isinstance(given, str):
        return given
    for item in reversed(objects(given)):
        if item.get("role") == "user":
            return text_of(item.get("content"))
    return None


read_responses = reader(answer=_read_answer, asked=_asked)
