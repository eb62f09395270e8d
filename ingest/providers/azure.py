"""Azure OpenAI: OpenAI's dialects below `/openai`, with the model (a deployment) in the path.

Reference: https://learn.microsoft.com/azure/ai-services/openai/reference
"""

import re
from dataclasses import replace
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec

from ingest.providers.base import Headers, Prepared, Provider
from ingest.providers.openai import Dialect, dialects, openai_provider

_OLDEST_THAT_SAYS_USAGE = "2024-09"
"""API versions before it refuse `stream_options`."""
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)((?:/[a-z]+){1,2})")
_VERSIONED = re.compile(r"/openai(?:/v1)?((?:/[a-z]+){1,2})")
_PASSED = re.compile(r"/openai(?:/v1)?/(?:models(?:/[^/]+)?|responses/resp[^/]*(?:/cancel|/input_items)?)")


def azure_providers(base_url: str) -> tuple[Provider, ...]:
    """Azure's dialects at `base_url`: a resource such as `https://name.openai.azure.com`."""
    parts = urlsplit(base_url)
    found = dialects()
    return tuple(
        _provider(path, dialect=found[path], base_url=f"{parts.scheme}://{parts.netloc}") for path in found
    )


def _provider(below: str, *, dialect: Dialect, base_url: str) -> Provider:
    def endpoint_of(path: str) -> str | None:
        if not path.startswith("/openai/"):
            return None
        if (match := _DEPLOYMENT.fullmatch(path)) is not None:
            return f"/openai/deployments/{{model}}{below}" if match[2] == below else None
        match = _VERSIONED.fullmatch(path)
        return path if match is not None and match[1] == below else None

    def prepare(body: bytes, *, path: str, query: str) -> Prepared:
        said = dialect.prepare(body, path=f"/v1{below}", query="")
        match = _DEPLOYMENT.fullmatch(unquote(path))
        is_too_old = match is not None and _version(query) < _OLDEST_THAT_SAYS_USAGE
        return msgspec.structs.replace(
            said,
            body=body if is_too_old else said.body,
            unasked=None if is_too_old else said.unasked,
            strips_usage=said.strips_usage and not is_too_old,
            path=f"{path}?{query}" if query else path,
            requested_model=match[1] if match else said.requested_model,
        )

    def with_model(prepared: Prepared, *, model: str) -> Prepared:
        path, question, query = prepared.path.partition("?")
        if not unquote(path).startswith("/openai/deployments/"):
            return dialect.with_model(prepared, model=model)
        path = f"/openai/deployments/{quote(model, safe='')}{below}"
        return msgspec.structs.replace(prepared, path=f"{path}{question}{query}", requested_model=model)

    return replace(
        openai_provider(base_url),
        name="azure",
        wire="azure",
        base_url=base_url,
        endpoint_of=endpoint_of,
        is_passed_through=_is_passed_through,
        upstream_path=_as_it_is,
        prepare=prepare,
        with_model=with_model,
        secret_header=_secret_header,
        is_terminal=dialect.is_terminal,
        read_usage=dialect.read_usage,
        read_exchange=dialect.read_exchange,
    )


def _as_it_is(path: str) -> str:
    return path


def _secret_header(secret: str) -> tuple[str, str]:
    return "api-key", secret


def _version(query: str) -> str:
    return parse_qs(query).get("api-version", [""])[0]


def _is_passed_through(path: str, headers: Headers) -> bool:
    return _PASSED.fullmatch(path) is not None
