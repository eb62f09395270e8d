"""Reading a chat completion: the request's last user message, the answer, its usage, its error."""

from dataclasses import dataclass, field
from typing import Any

from ingest.providers.answers import TIER, tier_of
from ingest.providers.exchange import Answer, reader
from ingest.providers.lenient import is_event_stream, raw_member, read_object, stream_data
from ingest.providers.openai_elsewhere import usage_elsewhere
from ingest.providers.values import gateway_error, object_of, objects, string_of, text_of


@dataclass(slots=True)
class _Choice:
    """One alternative of an answer, put together from a document or from deltas."""

    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    tools: dict[object, list[str]] = field(default_factory=dict)
    finish_reason: str | None = None

    def add(self, message: dict[str, Any]) -> None:
        self.content.append(text_of(message.get("content")))
        self.refusal.append(text_of(message.get("refusal")))
        for position, call in enumerate(objects(message.get("tool_calls"))):
            self._add_tool(call.get("index", position), object_of(call.get("function") or call.get("custom")))
        self._add_tool("function_call", object_of(message.get("function_call")))

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
        call[0] += text_of(function.get("name"))
        call[1] += text_of(function.get("arguments") or function.get("input"))


@dataclass(slots=True)
class _Gathered:
    model: str | None = None
    usage_raw: str | None = None
    usage_elsewhere: str | None = None
    service_tier: str | None = None
    error: Any = None
    is_understood: bool = False
    choices: dict[int, _Choice] = field(default_factory=dict)

    def add(self, data: bytes, *, member: str) -> None:
        """Take in a document (`member` is message) or one frame of a stream (delta)."""
        value = read_object(data)
        if not value:
            return
        self.is_understood = True
        self.model = string_of(value.get("model")) or self.model
        if isinstance(value.get("usage"), dict):
            self.usage_raw = raw_member(data, "usage") or self.usage_raw
        else:
            self.usage_elsewhere = usage_elsewhere(data, value) or self.usage_elsewhere
        self.service_tier = tier_of(value.get(TIER)) or self.service_tier
        self.error = value.get("error") or self.error
        for position, item in enumerate(objects(value.get("choices"))):
            index = item.get("index", position)
            choice = self.choices.setdefault(index if isinstance(index, int) else position, _Choice())
            choice.finish_reason = string_of(item.get("finish_reason")) or choice.finish_reason
            choice.add(object_of(item.get(member)) or {})

    @property
    def finish_reason(self) -> str | None:
        return next((choice.finish_reason for _, choice in sorted(self.choices.items())), None)

    @property
    def text(self) -> str | None:
        """The answer; several alternatives stand below each other."""
        if not self.choices:
            return None
        return "\n\n".join(choice.text for _, choice in sorted(self.choices.items()))


def _read_answer(body: bytes) -> Answer:
    gathered = _Gathered()
    if is_event_stream(body):
        for data in stream_data(body):
            gathered.add(data, member="delta")
        gathered.is_understood = True
    else:
        gathered.add(body, member="message")
        if not gathered.choices and gathered.error is None:
            gathered.error = gateway_error(read_object(body))
    return Answer(
        model=gathered.model,
        finish_reason=gathered.finish_reason,
        usage_raw=gathered.usage_raw or gathered.usage_elsewhere,
        service_tier=gathered.service_tier,
        text=gathered.text,
        error=gathered.error,
        is_understood=gathered.is_understood,
    )


def last_user_text(request: dict[str, Any]) -> str | None:
    """The text of the last user message of `messages`."""
    for message in reversed(objects(request.get("messages"))):
        if message.get("role") == "user":
            return text_of(message.get("content"))
    return None


read_exchange = reader(answer=_read_answer, asked=last_user_text)
