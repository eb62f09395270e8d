"""OpenAI's API and what is compatible with it (vLLM, Ollama, Groq …): one provider, many dialects.

Reference: https://platform.openai.com/docs/api-reference
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ingest.providers.answers import (
    TIER,
    last_frames,
    read_document,
    read_members,
    reading_of,
    tier_of,
    unpacked,
)
from ingest.providers.base import (
    Headers,
    Prepare,
    Prepared,
    Provider,
    ReadExchange,
    Reading,
    ReadUsage,
    WithModel,
)
from ingest.providers.lenient import is_event_stream
from ingest.providers.members import as_text, trailing_value
from ingest.providers.multipart import prepare_form, with_form_model
from ingest.providers.openai_chat import read_exchange as read_chat
from ingest.providers.openai_elsewhere import usage_elsewhere
from ingest.providers.openai_other import read_completion, read_input_only, read_media
from ingest.providers.openai_responses import is_last_event, read_responses, read_responses_usage
from ingest.providers.openai_stream import UsageFilter, is_terminal
from ingest.providers.requests import JsonRequest, prepared_from, read_request, with_body_model, with_member

BASE_URL = "https://api.openai.com/v1"
CHAT_COMPLETIONS = "/v1/chat/completions"
_ASK_FOR_USAGE = b'"stream_options":{"include_usage":true}'
_PASSED = re.compile(r"/v1/(?:models(?:/.+)?|responses/(?:input_tokens|resp[^/]*(?:/cancel|/input_items)?))")
_OTHERS_OWN = frozenset({b"anthropic-version", b"x-goog-api-key"})
_HOSTS = {
    "api.cerebras.ai": "cerebras",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.x.ai": "x-ai",
    "openrouter.ai": "openrouter",
}
"""The provider's name, by which it is priced, where the host says it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One endpoint's way of saying things."""

    prepare: Prepare
    read_exchange: ReadExchange
    is_terminal: Callable[[bytes], bool] = is_terminal
    read_usage: ReadUsage | None = None
    with_model: WithModel = with_body_model


def openai_providers(base_url: str | None = None) -> tuple[Provider, ...]:
    """OpenAI's recorded endpoints at `base_url`, given as an SDK takes it (with its /v1)."""
    base_url = _with_version(base_url or BASE_URL)
    name = _HOSTS.get(urlsplit(base_url).hostname or "", "openai")
    return tuple(
        _provider(f"/v1{path}", dialect=dialect, name=name, base_url=base_url)
        for path, dialect in dialects().items()
    )


def openai_provider(base_url: str | None = None) -> Provider:
    """Chat completions alone."""
    return openai_providers(base_url)[0]


def dialects() -> dict[str, Dialect]:
    """The dialects by their path below /v1; chat first, as it is asked for most."""
    media = Dialect(prepare_json, read_media)
    form = Dialect(prepare_form, read_media, with_model=with_form_model)
    responses = Dialect(prepare_json, read_responses, is_last_event, read_responses_usage)
    return {
        "/chat/completions": Dialect(prepare, read_chat),
        "/responses": responses,
        "/responses/compact": responses,
        "/embeddings": Dialect(prepare_json, read_input_only),
        "/completions": Dialect(prepare, read_completion),
        "/moderations": Dialect(prepare_json, read_input_only),
        "/images/generations": media,
        "/images/edits": form,
        "/audio/speech": media,
        "/audio/transcriptions": form,
        "/audio/translations": form,
    }


def _provider(endpoint: str, *, dialect: Dialect, name: str, base_url: str) -> Provider:
    return Provider(
        name=name,
        wire="openai",
        base_url=base_url,
        endpoint_of=lambda path: path if path == endpoint else None,
        is_passed_through=_is_passed_through,
        upstream_path=upstream_path,
        prepare=dialect.prepare,
        with_model=dialect.with_model,
        secret_header=lambda secret: ("authorization", f"Bearer {secret}"),
        usage_filter=UsageFilter,
        is_terminal=dialect.is_terminal,
        read_usage=dialect.read_usage or read_chat_usage,
        read_exchange=dialect.read_exchange,
        error_body=error_body,
    )


def prepare(body: bytes, *, path: str = CHAT_COMPLETIONS, query: str = "") -> Prepared:
    """The request with usage asked for where it is streamed; a body we cannot read stays as it is."""
    request = read_request(body)
    prepared = prepared_from(body, path=upstream_path(path), query=query, request=request)
    options = request.stream_options
    # Options of a wrong type are the provider's to refuse.
    if not prepared.is_streamed or _asks_for_usage(options) or not isinstance(options, dict | None):
        return prepared
    return msgspec.structs.replace(prepared, body=_with_usage(body, request), unasked=body, strips_usage=True)


def prepare_json(body: bytes, *, path: str, query: str = "") -> Prepared:
    """Any other JSON request, which says its usage unasked."""
    return prepared_from(body, path=upstream_path(path), query=query)


def read_chat_usage(*, head: bytes, tail: bytes) -> Reading:
    """Model and usage of a document, or of the last frame of a stream that holds a usage object."""
    head, tail = unpacked(head, tail)
    if not is_event_stream(head or tail):
        return read_document(head, tail, usage="usage", model="model")
    elsewhere: str | None = None
    for frame in last_frames(tail, holding=b'"usage"'):
        # The last event of an image holds the whole image: just its end was kept.
        chunk = read_members(frame) or _cut_members(frame)
        if isinstance(chunk.get("usage"), dict):
            tier = tier_of(chunk.get(TIER)) or _last_tier(tail) or _last_tier(head)
            return reading_of(chunk.get("model"), chunk["usage"], tier=tier)
        elsewhere = elsewhere or usage_elsewhere(frame, chunk)
    first = read_members(next(last_frames(tail, holding=b'"model"'), b"")) or {}
    usage = None if elsewhere is None else read_members(elsewhere.encode())
    return reading_of(first.get("model"), usage, tier=_last_tier(tail) or _last_tier(head) if usage else None)


def _cut_members(frame: bytes) -> dict[str, Any]:
    """What is wanted of an event whose beginning is gone."""
    if frame.startswith(b"{"):
        return {}
    text = as_text(frame)
    return {name: trailing_value(text, name) for name in ("usage", "model", TIER)}


def _last_tier(data: bytes) -> str | None:
    """The service tier of the last frame that says one."""
    frames = last_frames(data, holding=b'"service_tier"')
    return next(filter(None, (tier_of((read_members(frame) or {}).get(TIER)) for frame in frames)), None)


def error_body(message: str, *, kind: str, status: int) -> bytes:
    """An error in the shape that OpenAI clients read."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": kind}})


def upstream_path(path: str) -> str:
    return path.removeprefix("/v1")


def _with_version(base_url: str) -> str:
    base_url = base_url.rstrip("/")
    return base_url if urlsplit(base_url).path else f"{base_url}/v1"


def _asks_for_usage(options: Any) -> bool:
    return isinstance(options, dict) and options.get("include_usage") is True


def _with_usage(body: bytes, request: JsonRequest) -> bytes:
    if request.stream_options is None and b'"stream_options"' not in body:
        # The member goes in front, and `stream` is there: a comma is always right.
        at = body.index(b"{") + 1
        return b"".join((body[:at], _ASK_FOR_USAGE, b",", body[at:]))
    options = request.stream_options if isinstance(request.stream_options, dict) else {}
    return with_member(body, "stream_options", value={**options, "include_usage": True}) or body


def _is_passed_through(path: str, headers: Headers) -> bool:
    if not _PASSED.fullmatch(path):
        return False
    return not (path.startswith("/v1/models") and any(name in _OTHERS_OWN for name, _ in headers))
