"""Gemini's generateContent and its stream, also as Vertex AI has them: the model is in the path.

Reference: https://ai.google.dev/api
"""

import re
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from ingest.providers.answers import last_frames, read_document, read_members, reading_of, unpacked
from ingest.providers.base import Headers, Prepared, Provider, Reading
from ingest.providers.gemini_content import read_exchange
from ingest.providers.lenient import is_event_stream
from ingest.providers.members import as_text, trailing_value
from ingest.providers.query import split_key

BASE_URL = "https://generativelanguage.googleapis.com"
_VERSIONS = "v1|v1beta|v1alpha|v1beta1"
_VERTEX = r"projects/[^/]+/locations/[^/]+/(?:publishers/[^/]+/|endpoints/)?"
_MODEL = re.compile(
    rf"/({_VERSIONS})/(?:{_VERTEX})?(?:models/|tunedModels/)?([^/:]+)"
    r":(generateContent|streamGenerateContent|embedContent|batchEmbedContents|predict)"
)
_PASSED = re.compile(
    rf"/(?:{_VERSIONS})/(?:{_VERTEX})?(?:models|tunedModels)(?:/[^/:]+(?::(?:countTokens|computeTokens))?)?"
)
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class _Request(msgspec.Struct):
    """The one member the hot path needs, in both its spellings; everything else is skipped unread."""

    generationConfig: Any = None  # noqa: N815
    generation_config: Any = None


_request = msgspec.json.Decoder(_Request)


def gemini_provider(base_url: str | None = None) -> Provider:
    """The Gemini dialect at `base_url`, given as an SDK takes it (without /v1beta)."""
    return Provider(
        name="google",
        wire="gemini",
        base_url=re.sub(rf"/(?:{_VERSIONS})$", "", (base_url or BASE_URL).rstrip("/")),
        endpoint_of=endpoint_of,
        is_passed_through=_is_passed_through,
        upstream_path=lambda path: path,
        prepare=prepare,
        with_model=with_model,
        secret_header=lambda secret: ("x-goog-api-key", secret),
        usage_filter=LastBracketFilter,
        is_terminal=lambda tail: False,
        read_usage=read_usage,
        read_exchange=read_exchange,
        error_body=error_body,
    )


def endpoint_of(path: str) -> str | None:
    """`/v1beta/models/{model}:generateContent` and the like; projects and locations are left out."""
    match = _MODEL.fullmatch(path)
    return None if match is None else f"/{match[1]}/models/{{model}}:{match[3]}"


def prepare(body: bytes, *, path: str, query: str = "") -> Prepared:
    """The request with its model and streaming out of the path, and without the key that its query holds.

    A stream without `alt=sse` is an array: its last bracket waits until END is written.
    """
    match = _MODEL.fullmatch(unquote(path))
    rest, secret = split_key(query)
    is_streamed = match is not None and match[3] == "streamGenerateContent"
    return Prepared(
        body=body,
        path=f"{path}?{rest}" if rest else path,
        requested_model=match[2] if match else "",
        is_streamed=is_streamed,
        strips_usage=is_streamed and "alt=sse" not in rest.split("&"),
        output_limit=_output_limit(body),
        secret_query=secret,
    )


def with_model(prepared: Prepared, *, model: str) -> Prepared:
    """The same request for another model: its name in the path is exchanged."""
    path, question, query = prepared.path.partition("?")
    start, slash, last = path.rpartition("/")
    action = unquote(last).rpartition(":")[2]
    path = f"{start}{slash}{quote(model, safe='')}:{action}"
    return msgspec.structs.replace(prepared, path=f"{path}{question}{query}", requested_model=model)


def read_usage(*, head: bytes, tail: bytes) -> Reading:
    """Model and usage of a document, or of the last chunk of a stream that has a usage."""
    head, tail = unpacked(head, tail)
    if is_event_stream(head or tail):
        for frame in last_frames(tail, holding=b'"usageMetadata"'):
            chunk = read_members(frame) or {}
            if isinstance(chunk.get("usageMetadata"), dict):
                return reading_of(chunk.get("modelVersion"), chunk["usageMetadata"])
        return Reading()
    if head.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] != b"[":
        return read_document(head, tail, usage="usageMetadata", model="modelVersion")
    text = as_text(tail).rstrip()
    # A stream that broke off, or whose last bracket is still to come, closes one level less.
    depth = 2 if text.endswith("]") else 1
    found = (trailing_value(text, name, depth=depth) for name in ("modelVersion", "usageMetadata"))
    return reading_of(*found)


def error_body(message: str, *, kind: str, status: int) -> bytes:
    """An error in the shape that Google's clients read; our own kind is its reason."""
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": kind.upper(),
        "domain": "llm-quality-observer",
    }
    named = _STATUS.get(status, "INTERNAL")
    return msgspec.json.encode(
        {"error": {"code": status, "message": message, "status": named, "details": [detail]}}
    )


class LastBracketFilter:
    """Holds a `]` at the end of what has come: it may be the one that tells the client that all is there."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        end = len(data.rstrip())
        if data[end - 1 : end] != b"]":
            self._held = b""
            return data
        self._held = data[end - 1 :]
        return data[: end - 1]

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return held


def _output_limit(body: bytes) -> int | None:
    """`maxOutputTokens`; Google reads names in snake case, too."""
    try:
        request = _request.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    for config in (request.generationConfig, request.generation_config):
        for name in ("maxOutputTokens", "max_output_tokens"):
            limit = config.get(name) if isinstance(config, dict) else None
            if type(limit) is int and limit >= 0:
                return limit
    return None


def _is_passed_through(path: str, headers: Headers) -> bool:
    if not _PASSED.fullmatch(path):
        return False
    # Its stable version shares /v1/models with the others.
    return not path.startswith("/v1/models") or any(name == b"x-goog-api-key" for name, _ in headers)
