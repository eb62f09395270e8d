"""OpenAI `/v1/chat/completions` and what is compatible with it.

Reference: https://platform.openai.com/docs/api-reference/chat
"""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ingest.providers.base import Headers, Prepared, Provider, Reading
from ingest.providers.lenient import read_json, read_object
from ingest.providers.openai_chat import read_exchange

BASE_URL = "https://api.openai.com/v1"
CHAT_COMPLETIONS = "/v1/chat/completions"
_ASK_FOR_USAGE = b'"stream_options":{"include_usage":true}'
_TERMINAL = re.compile(rb"[\r\n]data: ?\[DONE\]")
_FRAME_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_LARGEST_USAGE_FRAME = 64 << 10


class _Request(msgspec.Struct):
    """The few members the hot path needs; everything else is skipped unread."""

    model: Any = None
    stream: Any = None
    stream_options: Any = None
    max_completion_tokens: Any = None
    max_tokens: Any = None


_request = msgspec.json.Decoder(_Request)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def openai_provider(base_url: str | None = None) -> Provider:
    """The OpenAI dialect at `base_url`, given as an SDK takes it (with its /v1)."""
    return Provider(
        name="openai",
        wire="openai",
        base_url=_with_version(base_url or BASE_URL),
        endpoint_of=lambda path: path if path == CHAT_COMPLETIONS else None,
        is_passed_through=_is_passed_through,
        upstream_path=_upstream_path,
        prepare=prepare,
        with_model=with_model,
        secret_header=lambda secret: ("authorization", f"Bearer {secret}"),
        usage_filter=UsageFilter,
        is_terminal=is_terminal,
        read_usage=read_usage,
        read_exchange=read_exchange,
        error_body=error_body,
    )


def prepare(body: bytes, *, path: str = CHAT_COMPLETIONS, query: str = "") -> Prepared:
    """The request with usage asked for where it is streamed; a body we cannot read stays as it is."""
    below = _upstream_path(path) + (f"?{query}" if query else "")
    try:
        request = _request.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Prepared(body=body, path=below)
    prepared = Prepared(
        body=body,
        path=below,
        requested_model=request.model if isinstance(request.model, str) else "",
        is_streamed=request.stream is True,
        output_limit=_output_limit(request),
    )
    if not prepared.is_streamed or _asks_for_usage(request.stream_options):
        return prepared
    return replace(prepared, body=_with_usage(body, request), strips_usage=True)


def with_model(prepared: Prepared, *, model: str) -> Prepared:
    """The same request for another model; every other member keeps its bytes."""
    try:
        members = _members.decode(prepared.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return prepared
    members["model"] = msgspec.Raw(msgspec.json.encode(model))
    return replace(prepared, body=_joined(members), requested_model=model)


def read_usage(*, head: bytes, tail: bytes) -> Reading:
    """Model and usage from a document, or from the last frame of a stream that holds a usage object."""
    text = tail if tail.lstrip()[:1] == b"{" else _last_usage_frame(tail)
    answer = read_object(text)
    usage, model = answer.get("usage"), answer.get("model")
    return Reading(
        served_model=model if isinstance(model, str) else None,
        usage=usage if isinstance(usage, dict) else None,
    )


def error_body(message: str, *, kind: str, status: int) -> bytes:
    """An error in the shape that OpenAI clients read."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": kind}})


def is_terminal(tail: bytes) -> bool:
    """Does the stream say `[DONE]` on a line of its own here?

    Text cannot say it, as a line break inside JSON is escaped; hence the break before it is asked for,
    and a stream's first bytes must be given one.
    """
    return _TERMINAL.search(tail) is not None


class UsageFilter:
    """Drops the one extra frame that asking for usage brings: no choices, a usage object.

    Frames pass unchanged; only a frame that is still incomplete waits for its end, and one too large
    to be that frame does not wait.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        kept: list[bytes] = []
        position = 0
        for match in _FRAME_END.finditer(data):
            frame = data[position : match.end()]
            if not _is_usage_frame(frame):
                kept.append(frame)
            position = match.end()
        self._held = data[position:]
        if len(self._held) > _LARGEST_USAGE_FRAME:
            kept.append(self.finish())
        return b"".join(kept)

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return held if not _is_usage_frame(held) else b""


def _with_version(base_url: str) -> str:
    base_url = base_url.rstrip("/")
    return base_url if urlsplit(base_url).path else f"{base_url}/v1"


def _asks_for_usage(options: Any) -> bool:
    return isinstance(options, dict) and options.get("include_usage") is True


def _with_usage(body: bytes, request: _Request) -> bytes:
    if request.stream_options is None and b'"stream_options"' not in body:
        # The member goes in front, and `model` and `stream` are there: a comma is always right.
        at = body.index(b"{") + 1
        return b"".join((body[:at], _ASK_FOR_USAGE, b",", body[at:]))
    options = request.stream_options if isinstance(request.stream_options, dict) else {}
    members = _members.decode(body)
    members["stream_options"] = msgspec.Raw(msgspec.json.encode({**options, "include_usage": True}))
    return _joined(members)


def _joined(members: dict[str, msgspec.Raw]) -> bytes:
    pairs = (msgspec.json.encode(name) + b":" + bytes(value) for name, value in members.items())
    return b"{" + b",".join(pairs) + b"}"


def _upstream_path(path: str) -> str:
    return path.removeprefix("/v1")


def _is_passed_through(path: str, headers: Headers) -> bool:
    return path == "/v1/models" or path.startswith("/v1/models/")


def _output_limit(request: _Request) -> int | None:
    given = request.max_completion_tokens, request.max_tokens
    return next((limit for limit in given if type(limit) is int and limit >= 0), None)


def _last_usage_frame(tail: bytes) -> bytes:
    at = tail.rfind(b'"usage":{')
    if at < 0:
        at = tail.rfind(b'"usage"')
    start = tail.rfind(b"data:", 0, at) if at >= 0 else -1
    if start < 0:
        return b""
    end = _FRAME_END.search(tail, at)
    return tail[start + 5 : end.start() if end else len(tail)].strip()


def _is_usage_frame(frame: bytes) -> bool:
    if b'"usage"' not in frame or not _NO_CHOICES.search(frame):
        return False
    lines = [line for line in frame.splitlines() if line.startswith(b"data:")]
    chunk = read_json(b"\n".join(line[5:] for line in lines))
    return isinstance(chunk, dict) and chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)
