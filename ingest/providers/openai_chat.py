"""Reading a chat completion: the request's last user message, the answer, its usage, its error."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ingest.providers.base import Exchange
from ingest.providers.lenient import (
    decode_content,
    is_event_stream,
    raw_member,
    read_json,
    read_object,
    stream_data,
)

_ERROR_TEXT = 500
"""Characters of a body that is not JSON kept as the error message."""


def read_exchange(
    *,
    request: bytes,
    response: bytes,
    is_streamed: bool,
    http_status: int | None,
    content_encoding: str | None = None,
) -> Exchange:
    """What this exchange says. Never raises for a body: what cannot be read is None.

    Whether the response is a stream is told from its bytes: an error to a streamed request is a
    document. `http_status` None means that no response came.
    """
    body, unreadable = decode_content(response, content_encoding=content_encoding)
    answer = _read_stream(body) if is_event_stream(body) else _read_document(body)
    error_type, error_message = _error(answer.error, body=body, http_status=http_status)
    if unreadable is None and body and not answer.is_understood:
        unreadable = "the streamed body has no events" if is_streamed else "the body is not a JSON object"
    return Exchange(
        served_model=answer.model,
        finish_reason=answer.finish_reason,
        usage=_object(None if answer.usage_raw is None else read_json(answer.usage_raw.encode())),
        usage_raw=answer.usage_raw,
        input_text=_last_user_text(read_object(request)),
        output_text=answer.text,
        error_type=error_type,
        error_message=error_message,
        unreadable=unreadable,
    )


@dataclass(slots=True)
class _Choice:
    """One alternative of an answer, put together from a document or from deltas."""

    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    tools: dict[object, list[str]] = field(default_factory=dict)
    finish_reason: str | None = None

    def add(self, message: dict[str, Any]) -> None:
        self.content.append(_text(message.get("content")))
        self.refusal.append(_text(message.get("refusal")))
        for position, call in enumerate(_objects(message.get("tool_calls"))):
            self._add_tool(call.get("index", position), _object(call.get("function") or call.get("custom")))
        self._add_tool("function_call", _object(message.get("function_call")))

    @property
    def text(self) -> str:
        # Some providers send an empty `function_call` with every message.
        calls = "\n".join(
            f"{name}({arguments})" for name, arguments in self.tools.values() if name or arguments
        )
        return "".join(self.content) or "".join(self.refusal) or calls

    def _add_tool(self, index: object, function: dict[str, Any] | None) -> None:
        if function is None:
            return
        call = self.tools.setdefault(index if isinstance(index, int | str) else 0, ["", ""])
        call[0] += _text(function.get("name"))
        call[1] += _text(function.get("arguments") or function.get("input"))


@dataclass(slots=True)
class _Answer:
    model: str | None = None
    usage_raw: str | None = None
    error: Any = None
    is_understood: bool = False
    choices: dict[int, _Choice] = field(default_factory=dict)

    def add(self, data: bytes, *, member: str) -> None:
        """Take in a document (`member` is message) or one frame of a stream (delta)."""
        value = read_object(data)
        if not value:
            return
        self.is_understood = True
        self.model = _string(value.get("model")) or self.model
        if isinstance(value.get("usage"), dict):
            self.usage_raw = raw_member(data, "usage") or self.usage_raw
        self.error = value.get("error") or self.error
        for position, item in enumerate(_objects(value.get("choices"))):
            index = item.get("index", position)
            choice = self.choices.setdefault(index if isinstance(index, int) else position, _Choice())
            choice.finish_reason = _string(item.get("finish_reason")) or choice.finish_reason
            choice.add(_object(item.get(member)) or {})

    @property
    def finish_reason(self) -> str | None:
        return next((choice.finish_reason for _, choice in sorted(self.choices.items())), None)

    @property
    def text(self) -> str | None:
        """The answer; several alternatives stand below each other."""
        if not self.choices:
            return None
        return "\n\n".join(choice.text for _, choice in sorted(self.choices.items()))


def _read_document(body: bytes) -> _Answer:
    answer = _Answer()
    answer.add(body, member="message")
    if not answer.choices and answer.error is None:
        value = read_object(body)
        # Gateways in front of a model answer in other shapes: {"message": …} or {"detail": …}.
        answer.error = value.get("message") or value.get("detail")
    return answer


def _read_stream(body: bytes) -> _Answer:
    answer = _Answer()
    for data in stream_data(body):
        answer.add(data, member="delta")
    answer.is_understood = True
    return answer


def _error(error: Any, *, body: bytes, http_status: int | None) -> tuple[str | None, str | None]:
    is_failure = http_status is not None and http_status >= 400
    if not is_failure and error is None:
        return None, None
    fallback = f"http_{http_status}" if is_failure else "error"
    if isinstance(error, dict):
        kind = _string(error.get("type")) or _string(error.get("code")) or fallback
        return kind, _text(error.get("message")) or None
    if isinstance(error, str):
        return fallback, error
    return fallback, body[: _ERROR_TEXT * 4].decode("utf-8", "replace")[:_ERROR_TEXT] or None


def _last_user_text(request: dict[str, Any]) -> str | None:
    for message in reversed(list(_objects(request.get("messages")))):
        if message.get("role") == "user":
            return _text(message.get("content"))
    return None


def _text(content: Any) -> str:
    """The text of a content: a string, or parts of which images, audio and files have none."""
    if isinstance(content, str):
        return content
    texts = (part.get("text") or part.get("refusal") for part in _objects(content))
    return "\n".join(text for text in texts if isinstance(text, str))


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
