"""Reading Anthropic messages: blocks in, blocks out, usage in two events of a stream.

Reference: https://docs.anthropic.com/en/api/messages, …/messages-streaming
"""

from dataclasses import dataclass, field
from typing import Any

from ingest.providers.exchange import Answer, reader
from ingest.providers.lenient import is_event_stream, raw_member, read_json, read_object, stream_data
from ingest.providers.values import compact, gateway_error, member, object_of, objects, string_of, text_of


def merged_usage(start: dict[str, Any] | None, last: dict[str, Any] | None) -> dict[str, Any] | None:
    """Usage of a stream: what `message_start` says, overridden by what the last `message_delta` says.

    Both are totals, so nothing is summed. A delta's null or zero overrides nothing: compatible servers send
    `input_tokens: 0` there, after the true number.
    """
    if start is None or last is None:
        return start or last
    news = {name: value for name, value in last.items() if value or (value is not None and name not in start)}
    return {**start, **news}


def last_user_text(request: dict[str, Any]) -> str | None:
    """The last user message that is more than the results of tools."""
    for message in reversed(objects(request.get("messages"))):
        content = message.get("content")
        if message.get("role") == "user" and not _is_tool_result(content):
            return text_of(content)
    return None


def _is_tool_result(content: Any) -> bool:
    kinds = {block.get("type") for block in objects(content)}
    return kinds == {"tool_result"}


@dataclass(slots=True)
class _Gathered:
    """A stream's message, put together from its events."""

    model: str | None = None
    stop_reason: str | None = None
    start_raw: str | None = None
    last_raw: str | None = None
    error: Any = None
    blocks: dict[object, "_Block"] = field(default_factory=dict)

    def add(self, data: bytes) -> None:
        event = read_object(data)
        kind = event.get("type")
        if kind == "message_start":
            message = member(event, "message")
            self.model = string_of(message.get("model")) or self.model
            self.start_raw = raw_member((raw_member(data, "message") or "").encode(), "usage")
        elif kind == "content_block_start":
            block = member(event, "content_block")
            self.blocks[event.get("index")] = _Block(block, text=[text_of(block.get("text"))])
        elif kind == "content_block_delta":
            self._add_delta(event)
        elif kind == "message_delta":
            self.stop_reason = string_of(member(event, "delta").get("stop_reason")) or self.stop_reason
            self.last_raw = raw_member(data, "usage") or self.last_raw
        elif kind == "error":
            self.error = event.get("error") or "error"

    def _add_delta(self, event: dict[str, Any]) -> None:
        delta = member(event, "delta")
        block = self.blocks.setdefault(event.get("index"), _Block({"type": "text"}))
        block.text.append(text_of(delta.get("text")) or text_of(delta.get("partial_json")))

    @property
    def usage_raw(self) -> str | None:
        """Both objects as they came, a line each."""
        lines = [raw for raw in (self.start_raw, self.last_raw) if raw is not None]
        return "\n".join(lines) or None

    @property
    def usage(self) -> dict[str, Any] | None:
        return merged_usage(_usage(self.start_raw), _usage(self.last_raw))


@dataclass(slots=True)
class _Block:
    said: dict[str, Any]
    text: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The block as a document has it."""
        text = "".join(self.text)
        is_call = self.said.get("type") in ("tool_use", "server_tool_use", "mcp_tool_use")
        return {**self.said, "input" if is_call else "text": text}


def _read_answer(body: bytes) -> Answer:
    return _read_stream(body) if is_event_stream(body) else _read_document(body)


def _read_document(body: bytes) -> Answer:
    message = read_object(body)
    has_content = isinstance(message.get("content"), list)
    return Answer(
        model=string_of(message.get("model")),
        finish_reason=string_of(message.get("stop_reason")),
        usage_raw=raw_member(body, "usage") if object_of(message.get("usage")) else None,
        text=_text(objects(message["content"])) if has_content else None,
        error=message.get("error") if has_content else gateway_error(message),
        is_understood=bool(message),
    )


def _read_stream(body: bytes) -> Answer:
    gathered = _Gathered()
    for data in stream_data(body):
        gathered.add(data)
    blocks = [block.document() for block in gathered.blocks.values()]
    return Answer(
        model=gathered.model,
        finish_reason=gathered.stop_reason,
        usage_raw=gathered.usage_raw,
        usage=gathered.usage,
        text=_text(blocks) if gathered.start_raw is not None or blocks else None,
        error=gathered.error,
        is_understood=True,
    )


def _text(blocks: list[dict[str, Any]]) -> str:
    """The text blocks; where there are none, the tool calls as `name(input)`."""
    texts = [text_of(block.get("text")) for block in blocks if block.get("type") == "text"]
    if text := "".join(texts):
        return text
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    return "\n".join(f"{text_of(call.get('name'))}({_input(call.get('input'))})" for call in calls)


def _input(value: Any) -> str:
    """Arguments in one form, whether they came as an object or as pieces of its text."""
    if not isinstance(value, str):
        return compact(value)
    read = read_json(value.encode("utf-8", "surrogatepass")) if value else {}
    return value if read is None else compact(read)


def _usage(raw: str | None) -> dict[str, Any] | None:
    return None if raw is None else object_of(read_json(raw.encode()))


read_exchange = reader(answer=_read_answer, asked=last_user_text)
