"""The list of models that a key of ours may use, in the shape each provider's library reads."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from ingest.providers.base import Wire

_LISTS = ("/v1/models", "/v1beta/models", "/openai/models", "/openai/v1/models")
_EPOCH = "1970-01-01T00:00:00Z"
"""Of a date that an alias does not have."""


def listing(names: Sequence[str], *, wire: Wire, path: str) -> bytes | None:
    """The list at a path of models, or one model of it; None for any other path or an unknown model."""
    base = next((each for each in _LISTS if path.rstrip("/") == each or path.startswith(f"{each}/")), None)
    if base is None:
        return None
    wanted = unquote(path.rstrip("/")[len(base) + 1 :])
    if not wanted:
        return msgspec.json.encode(_list(names, wire=wire))
    return msgspec.json.encode(_model(wanted, wire=wire)) if wanted in names else None


def _list(names: Sequence[str], *, wire: Wire) -> dict[str, Any]:
    models = [_model(name, wire=wire) for name in names]
    if wire == "gemini":
        return {"models": models}
    if wire == "anthropic":
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return {"data": models, "has_more": False, **ends}
    return {"object": "list", "data": models}


def _model(name: str, *, wire: Wire) -> dict[str, Any]:
    if wire == "gemini":
        methods = ["generateContent", "streamGenerateContent"]
        return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}
    if wire == "anthropic":
        return {"type": "model", "id": name, "display_name": name, "created_at": _EPOCH}
    return {"id": name, "object": "model", "created": 0, "owned_by": "lqo"}
