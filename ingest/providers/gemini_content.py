"""Reading Gemini's generateContent: contents in, candidates out, as a document, as events or as an array.

Reference: https://ai.google.dev/api/generate-content
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingest.providers.exchange import Answer, reader
from ingest.providers.lenient import is_event_stream, raw_member, read_object, stream_data
from ingest.providers.members import array_items, as_bytes, as_text
from ingest.providers.values import (
    compact,
    gateway_error,
    member,
    object_of,
    objects,
    string_of,
)


@dataclass(slots=True)
class _Candidate:
    texts: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, said: dict[str, Any]) -> None:
        self.finish_reason = string_of(said.get("finishReason")) or self.finish_reason
        for part in objects(member(said, "content").get("parts")):
            call = object_of(part.get("functionCall"))
            if call is not None:
                self.calls.append(f"{call.get('name')}({compact(call.get('args') or {})})")
            elif part.get("thought") is not True and isinstance(part.get("text"), str):
                self.texts.append(part["text"])

    @property
    def text(self) -> str:
        return "".join(self.texts) or "\n".join(self.calls)


@dataclass(slots=True)
class _Gathered:
    """A response put together from its chunks; a document is one chunk."""

    model: str | None = None
    usage_raw: str | None = None
    blocked: str | None = None
    error: Any = None
    is_understood: bool = False
    candidates: dict[object, _Candidate] = field(default_factory=dict)

    def add(self, data: bytes) -> None:
        chunk = read_object(data)
        if not chunk:
            return
        self.is_understood = True
        self.model = string_of(chunk.get("modelVersion")) or self.model
        # Every chunk counts from the beginning: the last one is the total.
        if object_of(chunk.get("usageMetadata")):
            self.usage_raw = raw_member(data, "usageMetadata") or self.usage_raw
        self.blocked = string_of(member(chunk, "promptFeedback").get("blockReason")) or self.blocked
        self.error = chunk.get("error") or self.error
        for position, said in enumerate(objects(chunk.get("candidates"))):
            self.candidates.setdefault(said.get("index", position), _Candidate()).add(said)

    @property
    def finish_reason(self) -> str | None:
        """The first candidate's; a refused prompt has none and says why it was blocked."""
        return next((each.finish_reason for each in self.candidates.values()), None) or self.blocked

    @property
    def text(self) -> str | None:
        if not self.candidates:
            return "" if self.blocked else None
        return "\n\n".join(each.text for each in self.candidates.values())


def _read_answer(body: bytes) -> Answer:
    gathered = _Gathered()
    for chunk in _chunks(body):
        gathered.add(chunk)
    if not gathered.candidates and gathered.error is None and not gathered.usage_raw:
        gathered.error = gateway_error(read_object(body))
    return Answer(
        model=gathered.model,
        finish_reason=gathered.finish_reason,
        usage_raw=gathered.usage_raw,
        text=gathered.text,
        error=gathered.error,
        is_understood=gathered.is_understood,
    )


def _chunks(body: bytes) -> Iterator[bytes]:
    if is_event_stream(body):
        yield from stream_data(body)
    elif body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
        yield from map(as_bytes, array_items(as_text(body)))
    else:
        yield body


def _last_user_text(request: dict[str, Any]) -> str | None:
    """The last content of the user that is more than the results of functions.

    `contents` without a role are the user's; embeddings have `content`, or a list of `requests`.
    """
    for content in reversed(objects(request.get("contents"))):
        parts = objects(content.get("parts"))
        is_result = bool(parts) and all("functionResponse" in part for part in parts)
        if content.get("role", "user") == "user" and not is_result:
            return _parts_text(content)
    asked = [member(item, "content") for item in objects(request.get("requests"))]
    asked = asked or [content for content in [member(request, "content")] if content]
    return "\n".join(_parts_text(content) for content in asked) if asked else None


def _parts_text(content: dict[str, Any]) -> str:
    texts = [part.get("text") for part in objects(content.get("parts"))]
    return "\n".join(text for text in texts if isinstance(text, str))


read_exchange = reader(answer=_read_answer, asked=_last_user_text)
