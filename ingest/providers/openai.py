"""OpenAI `/v1/chat/completions` and what is compatible with it.

Reference: https://platform.openai.com/docs/api-reference/chat
"""

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ingest.providers.base import Prepared, Provider
from ingest.providers.lenient import read_json
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


_request = msgspec.json.Decoder(_Request)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def openai_provider(base_url: str | None = None) -> Provider:
    """The OpenAI dialect at `base_url`, given as an SDK takes it (with its /v1)."""
    return Provider(
        name="openai",
        base_url=_with_version(base_url or BASE_URL),
        endpoints=frozenset({CHAT_COMPLETIONS}),
        passed_through=frozenset({"/v1/models"}),
        upstream_path=lambda path: path.removeprefix("/v1"),
        prepare=prepare,
        usage_filter=UsageFilter,
        is_terminal=is_terminal,
        read_exchange=read_exchange,
    )


def prepare(body: bytes) -> Prepared:
    """The request with usage asked for where it is streamed; a body we cannot read stays as it is."""
    try:
        request = _request.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Prepared(body=body)
    model = request.model if isinstance(request.model, str) else ""
    if request.stream is not True:
        return Prepared(body=body, requested_model=model)
    if _asks_for_usage(request.stream_options):
        return Prepared(body=body, requested_model=model, is_streamed=True)
    return Prepared(
        body=_with_usage(body, request), requested_model=model, is_streamed=True, strips_usage=True
    )


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
    pairs = (msgspec.json.encode(name) + b":" + bytes(value) for name, value in members.items())
    return b"{" + b",".join(pairs) + b"}"


def _is_usage_frame(frame: bytes) -> bool:
    if b'"usage"' not in frame or not _NO_CHOICES.search(frame):
        return False
    lines = [line for line in frame.splitlines() if line.startswith(b"data:")]
    chunk = read_json(b"\n".join(line[5:] for line in lines))
    return isinstance(chunk, dict) and chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)
