"""What a request asked for: a response format, a JSON schema, and its system text.

Rows without the words that matter are never parsed, and the parser decodes only the fields named here:
a request with a 10 MB image inside costs no more than its scan.
"""

from typing import TypeVar

import msgspec
import polars as pl

ASKED_SCHEMA = {
    "asked_format": pl.String(),
    "asked_schema": pl.Binary(),
    "system_text": pl.String(),
    "is_request_broken": pl.Boolean(),
}

SYSTEM_TEXT_LIMIT = 20_000

# Every place of a response format or of a system text has one of these in its name.
_WORDS = (b"json", b"response", b'"format"', b'"system', b'"developer"', b'"instructions"')


class _Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")


class _Generation(msgspec.Struct):
    mime_camel: str | None = msgspec.field(default=None, name="responseMimeType")
    mime_snake: str | None = msgspec.field(default=None, name="response_mime_type")
    schema_camel: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="responseJsonSchema")
    # Gemini's own `responseSchema` is an OpenAPI subset with upper-case types, no JSON schema: it tells that
    # JSON is asked for, and is not validated against.
    openapi_schema: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="responseSchema")


class _Format(msgspec.Struct):
    type: str = ""
    schema: msgspec.Raw = msgspec.Raw(b"null")
    json_schema: msgspec.Raw = msgspec.Raw(b"null")


class _Named(msgspec.Struct):
    schema: msgspec.Raw = msgspec.Raw(b"null")


class _Text(msgspec.Struct):
    format: msgspec.Raw = msgspec.Raw(b"null")


class _Request(msgspec.Struct):
    response_format: msgspec.Raw = msgspec.Raw(b"null")
    text: msgspec.Raw = msgspec.Raw(b"null")
    format: msgspec.Raw = msgspec.Raw(b"null")
    output_config: msgspec.Raw = msgspec.Raw(b"null")
    output_format: msgspec.Raw = msgspec.Raw(b"null")
    generation_config: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="generationConfig")
    messages: msgspec.Raw = msgspec.Raw(b"null")
    input: msgspec.Raw = msgspec.Raw(b"null")
    system: msgspec.Raw = msgspec.Raw(b"null")
    instructions: msgspec.Raw = msgspec.Raw(b"null")
    system_instruction: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="systemInstruction")


_REQUEST = msgspec.json.Decoder(_Request)
_FORMAT = msgspec.json.Decoder(_Format)
_NAMED = msgspec.json.Decoder(_Named)
_TEXT = msgspec.json.Decoder(_Text)
_GENERATION = msgspec.json.Decoder(_Generation)
_MESSAGES = msgspec.json.Decoder(list[_Message])

Asked = tuple[str | None, bytes | None, str | None, bool]
_T = TypeVar("_T")


def asked_by_request(requests: pl.Series) -> pl.DataFrame:
    """`asked_format` (json_object, json_schema or null), `asked_schema` (JSON bytes), `system_text` and
    `is_request_broken` of each request (Binary, may be null), in order."""
    body = pl.col("body").bin
    worth = (
        pl.DataFrame({"body": requests})
        .select(pl.any_horizontal(body.contains(word) for word in _WORDS).fill_null(value=False))
        .to_series()
    )
    rows: list[Asked] = [(None, None, None, False)] * len(requests)
    for number in worth.arg_true():
        rows[number] = _asked(requests[number])
    return pl.DataFrame(rows, schema=ASKED_SCHEMA, orient="row")


def _asked(body: bytes) -> Asked:
    try:
        request = _REQUEST.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None, None, None, True
    kind, schema = _asked_format(request)
    return kind, schema, _system_text(request), False


def _asked_format(request: _Request) -> tuple[str | None, bytes | None]:
    places = (
        request.response_format,
        _read(_TEXT, request.text, default=_Text()).format,
        _read(_TEXT, request.output_config, default=_Text()).format,
        request.output_format,
    )
    for place in places:
        asked = _read(_FORMAT, place, default=_Format())
        if asked.type == "json_object":
            return "json_object", None
        if asked.type == "json_schema":
            return "json_schema", _bytes(asked.schema) or _bytes(
                _read(_NAMED, asked.json_schema, default=_Named()).schema
            )
    if _bytes(request.format) == b'"json"':
        return "json_object", None
    # Ollama puts the schema itself under `format`.
    if bytes(request.format).lstrip().startswith(b"{"):
        return "json_schema", bytes(request.format)
    return _asked_of_gemini(_read(_GENERATION, request.generation_config, default=_Generation()))


def _asked_of_gemini(generation: _Generation) -> tuple[str | None, bytes | None]:
    schema = _bytes(generation.schema_camel)
    if schema is not None:
        return "json_schema", schema
    mime = generation.mime_camel or generation.mime_snake
    if mime == "application/json" or _bytes(generation.openapi_schema) is not None:
        return "json_object", None
    return None, None


def _system_text(request: _Request) -> str | None:
    parts: list[str] = []
    for raw in (request.system, request.instructions, request.system_instruction):
        _collect_text(msgspec.json.decode(raw), parts)
    for raw in (request.messages, request.input):
        for message in _read(_MESSAGES, raw, default=[]):
            if message.role in ("system", "developer"):
                _collect_text(msgspec.json.decode(message.content), parts)
    return "\n".join(parts)[:SYSTEM_TEXT_LIMIT] or None


def _collect_text(value: object, parts: list[str]) -> None:
    """Texts of a message content in any provider's shape: a string, parts with `text`, or `parts`."""
    if isinstance(value, str):
        parts.append(value)
    elif isinstance(value, list):
        for item in value:
            _collect_text(item, parts)
    elif isinstance(value, dict):
        _collect_text(value.get("text"), parts)
        _collect_text(value.get("parts"), parts)


def _read(decoder: "msgspec.json.Decoder[_T]", raw: msgspec.Raw, *, default: _T) -> _T:
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError:
        return default


def _bytes(raw: msgspec.Raw) -> bytes | None:
    value = bytes(raw).strip()
    return None if value == b"null" else value
