"""The usual chat completion, read by a typed decoder: three times as fast as the reader of every shape."""

from typing import Any

import msgspec

from ingest.providers.answers import tier_of
from ingest.providers.base import Exchange


class _Message(msgspec.Struct):
    role: str
    content: str | None = None


class _Request(msgspec.Struct):
    messages: list[_Message]


class _Answer(msgspec.Struct):
    content: str
    refusal: None = None
    tool_calls: None = None
    function_call: None = None


class _Choice(msgspec.Struct):
    message: _Answer
    finish_reason: str


class _Response(msgspec.Struct):
    model: str
    choices: tuple[_Choice]
    usage: msgspec.Raw
    error: None = None
    service_tier: Any = None


_request = msgspec.json.Decoder(_Request)
_response = msgspec.json.Decoder(_Response)
_usage = msgspec.json.Decoder(dict[str, Any])


def read_plain_chat(request: bytes, response: bytes) -> Exchange | None:
    """What `read_exchange` gives for an answer of one plain text; None for any other exchange."""
    try:
        asked, answered = _request.decode(request), _response.decode(response)
        usage_raw = bytes(answered.usage)
        usage = _usage.decode(usage_raw)
        usage_text = usage_raw.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    (choice,) = answered.choices
    if not (answered.model and choice.message.content and choice.finish_reason):
        return None
    users = (message.content or "" for message in reversed(asked.messages) if message.role == "user")
    return Exchange(
        served_model=answered.model,
        finish_reason=choice.finish_reason,
        usage=usage,
        usage_raw=usage_text,
        input_text=next(users, None),
        output_text=choice.message.content,
        service_tier=tier_of(answered.service_tier),
    )
