"""What was asked and answered, out of all the places where instrumentations put it, as chat messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.intake.otlp.reading import Reader, as_json, listed, numbered
from ingest.intake.otlp.spans import Event

Message = dict[str, Any]

_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


@dataclass(slots=True)
class Conversation:
    """Messages as a chat completion has them; `finish_reasons` one per answer, where they are told."""

    asked: list[Message] = field(default_factory=list)
    answered: list[Message] = field(default_factory=list)
    finish_reasons: list[str] = field(default_factory=list)

    @property
    def input_text(self) -> str | None:
        """The text of the last user message, or of the last message if nobody is called user."""
        users = [message for message in self.asked if message.get("role") == "user"] or self.asked
        return text_of(users[-1].get("content")) if users else None

    @property
    def output_text(self) -> str | None:
        """The answers' text; where there is none, the tools they call."""
        if not self.answered:
            return None
        return "\n\n".join(text_of(each.get("content")) or _calls(each) for each in self.answered)


def read_conversation(reader: Reader, *, events: Sequence[Event]) -> Conversation:
    """The first of the known places that holds messages wins, for either side."""
    told = _of_events(events)
    return Conversation(
        asked=_first(_genai_asked(reader), _traceloop(reader, "prompt"), _openinference(reader, "input"))
        or told.asked,
        answered=_first(
            _genai(reader.value("gen_ai.output.messages")),
            _traceloop(reader, "completion"),
            _openinference(reader, "output"),
        )
        or told.answered,
        finish_reasons=told.finish_reasons or _finish_reasons(reader),
    )


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or its parts of text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def _first(*found: list[Message]) -> list[Message]:
    return next((messages for messages in found if messages), [])


def _genai_asked(reader: Reader) -> list[Message]:
    """OpenTelemetry's attributes: system instructions stand apart from the messages."""
    parts = listed(reader.value("gen_ai.system_instructions"))
    system = [_genai_message({"role": "system", "parts": parts})] if parts else []
    return [*system, *_genai(reader.value("gen_ai.input.messages"))]


def _genai(value: Any) -> list[Message]:
    return [_genai_message(item) for item in listed(value) if isinstance(item, dict)]


def _genai_message(item: dict[str, Any]) -> Message:
    """`{role, parts: [{type, content}]}` (model/gen-ai/gen-ai-input-messages.json), or `{role, content}`."""
    message: Message = {"role": _role(item)}
    parts = [part for part in listed(item.get("parts")) if isinstance(part, dict)]
    if not parts:
        return message | _content(item.get("content")) | _tool_calls(listed(item.get("tool_calls")))
    calls = [part for part in parts if part.get("type") == "tool_call"]
    results = [part for part in parts if part.get("type") == "tool_call_response"]
    content = [_part(part) for part in parts if part not in calls and part not in results]
    if results:
        message["tool_call_id"] = results[0].get("id")
        content += [_text_part(result.get("response", result.get("result"))) for result in results]
    return message | _content(content) | _tool_calls(calls)


def _part(part: dict[str, Any]) -> dict[str, Any]:
    return _text_part(part.get("content", part.get("text"))) if part.get("type") == "text" else part


def _text_part(content: Any) -> dict[str, Any]:
    return {"type": "text", "text": as_json("" if content is None else content)}


def _traceloop(reader: Reader, side: str) -> list[Message]:
    """OpenLLMetry: `gen_ai.prompt.0.content`, `gen_ai.prompt.0.tool_calls.0.name`; once `llm.prompts.0`."""
    items = reader.items(f"gen_ai.{side}") or reader.items(f"llm.{side}s")
    default = "assistant" if side == "completion" else "user"
    return [
        {"role": _role(item, default=default)}
        | _content(_parsed(item.get("content", item.get("text", _text_of_prompt(item)))))
        | _tool_calls(numbered(item.get("tool_calls")))
        for item in items
    ]


def _text_of_prompt(item: dict[str, Any]) -> Any:
    """OpenInference's `llm.prompts.0.prompt.text` shares its beginning with OpenLLMetry's older names."""
    inner = item.get("prompt") or item.get("completion")
    return inner.get("text") if isinstance(inner, dict) else None


def _openinference(reader: Reader, side: str) -> list[Message]:
    """`llm.input_messages.0.message.content`, or `.contents.0.message_content.text`, with its tool calls."""
    messages: list[Message] = []
    for item in reader.items(f"llm.{side}_messages"):
        said = item.get("message")
        if not isinstance(said, dict):
            continue
        parts = [_openinference_part(part) for part in numbered(said.get("contents"))]
        calls = [call.get("tool_call", {}) for call in numbered(said.get("tool_calls"))]
        message: Message = {"role": _role(said, default="user" if side == "input" else "assistant")}
        if isinstance(said.get("tool_call_id"), str):
            message["tool_call_id"] = said["tool_call_id"]
        messages.append(message | _content(said.get("content", parts)) | _tool_calls(calls))
    return messages


def _openinference_part(part: dict[str, Any]) -> dict[str, Any]:
    content = part.get("message_content")
    if not isinstance(content, dict):
        return part
    return _text_part(content.get("text")) if "text" in content else content


def _of_events(events: Sequence[Event]) -> Conversation:
    """Events of a span, in their order: the conventions before 1.37, and OpenLLMetry's content events."""
    told = Conversation()
    for event in events:
        said = event.attributes
        body = _object(said.get("gen_ai.event.content")) or dict(said)
        if event.name in _ROLES:
            told.asked.append(_event_message(body, role=_ROLES[event.name]))
        elif event.name == "gen_ai.choice":
            told.answered.append(_event_message(_object(body.get("message")) or body, role="assistant"))
            told.finish_reasons += _texts([body.get("finish_reason")])
        elif event.name == "gen_ai.content.prompt":
            told.asked += _plain(said.get("gen_ai.prompt"), role="user")
        elif event.name == "gen_ai.content.completion":
            told.answered += _plain(said.get("gen_ai.completion"), role="assistant")
        elif event.name == "gen_ai.client.inference.operation.details":
            reader = Reader(said)
            told.asked += _genai_asked(reader)
            told.answered += _genai(said.get("gen_ai.output.messages"))
    return told


def _event_message(body: dict[str, Any], *, role: str) -> Message:
    calls = _tool_calls([call for call in listed(body.get("tool_calls")) if isinstance(call, dict)])
    return {"role": _role(body, default=role)} | _content(_parsed(body.get("content"))) | calls


def _plain(value: Any, *, role: str) -> list[Message]:
    """A list of messages as JSON, or one text."""
    items = [item for item in listed(value) if isinstance(item, dict)]
    if items:
        return [_genai_message({"role": role, **item}) for item in items]
    return [] if value in (None, "") else [{"role": role, "content": as_json(value)}]


def _finish_reasons(reader: Reader) -> list[str]:
    values = reader.value("gen_ai.response.finish_reasons")
    answers = [*reader.items("gen_ai.completion"), *listed(reader.attributes.get("gen_ai.output.messages"))]
    return (
        _texts(listed(values))
        or _texts([values])
        or _texts(answer.get("finish_reason") for answer in answers if isinstance(answer, dict))
        or _texts([reader.value("llm.finish_reason", "gen_ai.response.stop_reason")])
    )


def _content(content: Any) -> Message:
    """Parts of nothing but text become one string."""
    if content is None:
        return {"content": None}
    if isinstance(content, list):
        parts = [part if isinstance(part, dict) else _text_part(part) for part in content]
        if all(part.keys() == {"type", "text"} for part in parts):
            return {"content": "\n".join(part["text"] for part in parts) if parts else None}
        return {"content": parts}
    return {"content": as_json(content)}


def _tool_calls(calls: Iterable[dict[str, Any]]) -> Message:
    """Tool calls in the shape of a chat completion, whether they stood flat or with a `function`."""
    made: list[dict[str, Any]] = []
    for call in calls:
        function = call.get("function")
        said: dict[str, Any] = function if isinstance(function, dict) else call
        arguments = said.get("arguments", said.get("arguments_json", ""))
        named = {"name": as_json(said.get("name") or ""), "arguments": as_json(arguments)}
        made.append({"id": call.get("id"), "type": "function", "function": named})
    return {"tool_calls": made} if made else {}


def _calls(message: Message) -> str:
    functions = (call["function"] for call in message.get("tool_calls", ()))
    return "\n".join(f"{function['name']}({function['arguments']})" for function in functions)


def _parsed(content: Any) -> Any:
    """Content that is a list of parts written as JSON; any other text is itself."""
    if isinstance(content, str) and content.lstrip().startswith("[{"):
        parts = [part for part in listed(content) if isinstance(part, dict) and "type" in part]
        return parts or content
    return content


def _object(value: Any) -> dict[str, Any] | None:
    found = listed(value) if isinstance(value, str | dict) else []
    return found[0] if len(found) == 1 and isinstance(found[0], dict) else None


def _role(item: dict[str, Any], *, default: str = "user") -> str:
    role = item.get("role")
    return role if isinstance(role, str) and role else default


def _texts(values: Iterable[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str) and value]
