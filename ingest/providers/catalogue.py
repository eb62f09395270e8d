"""All dialects: those a proxy serves, and the reader of a recorded endpoint."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ingest.providers.anthropic import anthropic_provider
from ingest.providers.anthropic_messages import read_exchange as read_message
from ingest.providers.azure import azure_providers
from ingest.providers.base import Provider, ReadExchange, Wire
from ingest.providers.gemini import gemini_provider
from ingest.providers.gemini_content import read_exchange as read_content
from ingest.providers.lenient import is_event_stream, read_object, stream_data
from ingest.providers.openai import BASE_URL as OPENAI
from ingest.providers.openai import openai_provider, openai_providers
from ingest.providers.openai_chat import read_exchange as read_chat
from ingest.providers.openai_responses import read_responses


@dataclass(frozen=True, slots=True)
class BaseUrls:
    """Where the providers are, each URL as its SDK takes it; None is the provider's own address."""

    openai: str | None = None
    anthropic: str | None = None
    gemini: str | None = None
    azure: str | None = None

    @classmethod
    def everywhere(cls, url: str) -> "BaseUrls":
        """One host for all of them."""
        return cls(url, url, url, url)


def base_urls(environ: Mapping[str, str] | None = None, *, openai: str | None = None) -> BaseUrls:
    """`LQO_OPENAI_BASE_URL`, `LQO_ANTHROPIC_BASE_URL`, `LQO_GEMINI_BASE_URL`, `LQO_AZURE_BASE_URL`."""
    env = os.environ if environ is None else environ
    return BaseUrls(
        openai=openai or env.get("LQO_OPENAI_BASE_URL") or None,
        anthropic=env.get("LQO_ANTHROPIC_BASE_URL") or None,
        gemini=env.get("LQO_GEMINI_BASE_URL") or None,
        azure=env.get("LQO_AZURE_BASE_URL") or None,
    )


def build_providers(urls: BaseUrls) -> tuple[Provider, ...]:
    """Every dialect, the busiest paths first. Azure's is OpenAI's host where it has no address of its own."""
    return (
        *openai_providers(urls.openai),
        anthropic_provider(urls.anthropic),
        gemini_provider(urls.gemini),
        *azure_providers(urls.azure or urls.openai or OPENAI),
    )


def normal_base_url(url: str, *, wire: Wire) -> str:
    """`url` as `Prepared.path` is below it: with or without a version, as this wire has it."""
    if wire == "anthropic":
        return anthropic_provider(url).base_url
    if wire == "gemini":
        return gemini_provider(url).base_url
    if wire == "azure":
        return azure_providers(url)[0].base_url
    return openai_provider(url).base_url


@lru_cache(maxsize=256)
def reader_of(endpoint: str) -> ReadExchange | None:
    """The reader of a recorded endpoint (its bounded name, or a path), None for one that no dialect has."""
    found = (each.read_exchange for each in _DIALECTS if each.endpoint_of(endpoint) is not None)
    return next(found, None)


def reader_by_shape(response: bytes) -> ReadExchange:
    """The reader of a response whose endpoint nobody told, by its members; chat for any other."""
    said = read_object(next(stream_data(response), b"") if is_event_stream(response) else response)
    kind = str(said.get("type"))
    if said.keys() & {"candidates", "usageMetadata", "promptFeedback"}:
        return read_content
    if str(said.get("object")).startswith("response") or kind.startswith("response."):
        return read_responses
    return read_message if kind in ("message", "message_start", "error") else read_chat


_DIALECTS = build_providers(BaseUrls())
