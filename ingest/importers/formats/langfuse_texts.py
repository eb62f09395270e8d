"""What an observation of Langfuse was asked and answered: text, messages, or a provider's own bodies.

`input` and `output` hold whatever an SDK gave: a list of messages, an object with `messages` (and tools), an
answer's message, a whole response, or plain text. Exports write them as text, the API as JSON.
"""

from typing import Any

import msgspec

from ingest.importers.bodies import Bodies, read_bodies
from ingest.importers.formats.values import encoded, encoded_json, string_of
from ingest.importers.record import Record
from ingest.providers.lenient import read_json

_ABSENT = msgspec.Raw()


class _Message(msgspec.Struct, gc=False):
    role: str
    content: Any = None


class _Answer(msgspec.Struct, gc=False):
    role: str | None = None
    content: Any = None
    tool_calls: Any = None
    choices: msgspec.Raw = _ABSENT
    candidates: msgspec.Raw = _ABSENT


class _Asked(msgspec.Struct, gc=False):
    messages: msgspec.Raw = _ABSENT
    input: msgspec.Raw = _ABSENT
    contents: msgspec.Raw = _ABSENT
    model: Any = None


class _Side(msgspec.Struct, gc=False):
    """One side: a body, and its text where the body need not be read for it (`is_plain`)."""

    body: bytes | None = None
    text: str | None = None
    is_plain: bool = True


_messages = msgspec.json.Decoder(list[_Message])
_answer = msgspec.json.Decoder(_Answer)
_asked = msgspec.json.Decoder(_Asked)
_BAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOTHING = _Side()


def read_texts(asked: msgspec.Raw, answered: msgspec.Raw, *, model: str) -> Bodies:
    """Bodies of a chat made of what was asked and answered; text alone where that is no conversation."""
    quoted = encoded_json(model)
    request, response = _request(_content(asked), model=quoted), _response(_content(answered), model=quoted)
    if request.is_plain and response.is_plain:
        return Bodies(request.body, response.body, request.text, response.text)
    record = Record(
        requested_model=model,
        request=_raw(request.body),
        response=_raw(response.body),
        input_text=request.text,
        output_text=response.text,
    )
    return read_bodies(record)


def read_embedded(asked: msgspec.Raw) -> Bodies:
    """The text that was embedded; vectors are no answer to keep."""
    content = _content(asked)
    return Bodies(None, None, None if content is None else _text(content), None)


def _content(raw: msgspec.Raw) -> bytes | str | None:
    """JSON as bytes, plain text as text."""
    data = bytes(raw)
    if data in (b"", b"null", b'""'):
        return None
    if data[:1] != b'"':
        return data
    text = string_of(data)
    if text[:1] in ("{", "["):
        return encoded(text)
    inner = string_of(encoded(text)) if text[:1] == text[-1:] == '"' and len(text) > 1 else text
    return inner or None


def _request(content: bytes | str | None, *, model: bytes) -> _Side:
    if content is None:
        return _NOTHING
    if isinstance(content, str):
        return _Side(None, content)
    if content[:1] == b"[":
        return _listed(content, model=model)
    try:
        asked = _asked.decode(content)
    except _BAD:
        return _Side(None, _text(content))
    if not (bytes(asked.messages) or bytes(asked.input) or bytes(asked.contents)):
        return _Side(None, _text(content))
    if asked.model is None and bytes(asked.messages):
        content = b'{"model":' + model + b"," + content[1:]
    return _Side(content, None, is_plain=False)


def _listed(content: bytes, *, model: bytes) -> _Side:
    request = b'{"model":' + model + b',"messages":' + content + b"}"
    try:
        messages = _messages.decode(content)
    except _BAD:
        # Half a surrogate in somebody's text makes no other list of it.
        is_talk = _is_talk(read_json(content))
        return _Side(request, None, is_plain=False) if is_talk else _Side(None, _text(content))
    if not messages:
        return _NOTHING
    last = next((each.content for each in reversed(messages) if each.role == "user"), None)
    return _Side(request, last) if isinstance(last, str) else _Side(request, None, is_plain=False)


def _is_talk(value: Any) -> bool:
    return bool(value) and isinstance(value, list) and all(isinstance(m, dict) and "role" in m for m in value)


def _response(content: bytes | str | None, *, model: bytes) -> _Side:
    if content is None:
        return _NOTHING
    if isinstance(content, str):
        return _Side(None, content)
    return _answers(content, model=model) if content[:1] == b"[" else _answered(content, model=model)


def _answered(content: bytes, *, model: bytes) -> _Side:
    try:
        answer = _answer.decode(content)
    except _BAD:
        return _Side(None, _text(content))
    if bytes(answer.choices) or bytes(answer.candidates):
        return _Side(content, None, is_plain=False)
    if answer.role is None and not answer.tool_calls:
        return _Side(None, _text(content))
    is_plain = isinstance(answer.content, str) and not answer.tool_calls
    return _Side(_completion([content], model=model), answer.content if is_plain else None, is_plain=is_plain)


def _answers(content: bytes, *, model: bytes) -> _Side:
    """Several messages are several choices."""
    try:
        messages = msgspec.json.decode(content, type=list[msgspec.Raw])
        _messages.decode(content)
    except _BAD:
        return _Side(None, _text(content))
    body = _completion([bytes(each) for each in messages], model=model)
    return _Side(body, None, is_plain=False) if messages else _NOTHING


def _completion(messages: list[bytes], *, model: bytes) -> bytes:
    choices = b",".join(
        b'{"index":%d,"message":%b,"finish_reason":null}' % (index, message)
        for index, message in enumerate(messages)
    )
    return b'{"model":' + model + b',"choices":[' + choices + b"]}"


def _text(content: bytes | str) -> str:
    return content if isinstance(content, str) else content.decode("utf-8", "surrogateescape")


def _raw(body: bytes | None) -> msgspec.Raw:
    return _ABSENT if body is None else msgspec.Raw(body)
