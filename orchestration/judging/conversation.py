"""What was said before an answer, read from a request of any provider's shape."""

from collections.abc import Iterator
from typing import Any

from evaluators.judging.items import Message
from ingest.providers.lenient import read_object
from ingest.providers.values import compact, objects, string_of, text_of


def conversation_of(request: bytes | None, *, input_text: str | None) -> tuple[Message, ...]:
    """The turns before the answer, oldest first; `input_text` alone where the request was not kept or read.

    Knows chat completions, the Responses API, Anthropic's messages, Gemini's contents and plain prompts.
    Images, audio and files have no text here.
    """
    turns = tuple(_turns(read_object(request))) if request else ()
    if turns or input_text is None:
        return turns
    return (Message("user", input_text),)


def _turns(request: dict[str, Any]) -> Iterator[Message]:
    for name in ("system", "instructions", "systemInstruction", "system_instruction"):
        if text := _text(request.get(name)):
            yield Message("system", text)
    for turn in objects(request.get("messages")):
        yield from _message(turn, role=string_of(turn.get("role")) or "user")
    yield from _input(request.get("input"))
    for turn in objects(request.get("contents")):
        yield from _message(turn, role=string_of(turn.get("role")) or "user")
    if isinstance(contents := request.get("contents"), str):
        yield Message("user", contents)
    if text := _text(request.get("prompt")):
        yield Message("user", text)


def _input(given: Any) -> Iterator[Message]:
    """`input` of the Responses API: a text, or messages and the calls of tools with what they gave."""
    if isinstance(given, str):
        yield Message("user", given)
    for item in objects(given):
        if item.get("type") == "function_call":
            yield Message("assistant", f"{item.get('name')}({_text(item.get('arguments'))})")
        elif item.get("type") == "function_call_output":
            yield Message("tool", _text(item.get("output")))
        else:
            yield from _message(item, role=string_of(item.get("role")) or "user")


def _message(turn: dict[str, Any], *, role: str) -> Iterator[Message]:
    text = _text(turn.get("content")) or _text(turn.get("parts"))
    calls = [_tool_call(call) for call in objects(turn.get("tool_calls"))]
    if text or calls:
        yield Message(role, "\n".join([text, *calls] if text else calls))


def _tool_call(call: dict[str, Any]) -> str:
    function = call.get("function") if isinstance(call.get("function"), dict) else call
    return f"{function.get('name')}({_text(function.get('arguments'))})" if isinstance(function, dict) else ""


def _text(value: Any) -> str:
    """The text of a content: a string, parts, an object of parts, or what a tool was given or gave."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _text(value.get("parts")) or _text(value.get("text"))
    if not isinstance(value, list):
        return ""
    pieces = [text_of(value), *(_part(part) for part in objects(value))]
    pieces += [part for part in value if isinstance(part, str)]
    return "\n".join(piece for piece in pieces if piece)


def _part(part: dict[str, Any]) -> str:
    """Parts that hold no `text` of their own: tools asked for and what they gave."""
    if part.get("type") == "tool_use":
        return f"{part.get('name')}({compact(part.get('input') or {})})"
    if part.get("type") == "tool_result":
        return _text(part.get("content"))
    for name in ("functionCall", "functionResponse"):
        if isinstance(said := part.get(name), dict):
            return f"{said.get('name')}({compact(said.get('args') or said.get('response') or {})})"
    return ""
