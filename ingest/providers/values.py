"""Picking values out of parsed JSON that may hold anything."""

import json
from typing import Any

_ERROR_TEXT = 500
"""Characters of a body that is not JSON kept as the error message."""


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def object_of(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def member(value: Any, name: str) -> dict[str, Any]:
    """The object that a member holds; empty for anything else."""
    return (object_of(value.get(name)) or {}) if isinstance(value, dict) else {}


def string_of(value: Any) -> str | None:
    """A string that is not empty, or None."""
    return value if isinstance(value, str) and value else None


def text_of(content: Any) -> str:
    """The text of a content: a string, or parts of which images, audio and files have none."""
    if isinstance(content, str):
        return content
    texts = (part.get("text") or part.get("refusal") for part in objects(content))
    return "\n".join(text for text in texts if isinstance(text, str))


def read_error(error: Any, *, body: bytes, http_status: int | None) -> tuple[str | None, str | None]:
    """Type and message of a failed answer, in whichever shape it came; None, None for a good one."""
    is_failure = http_status is not None and http_status >= 400
    if not is_failure and error is None:
        return None, None
    fallback = f"http_{http_status}" if is_failure else "error"
    if isinstance(error, dict):
        named = (string_of(error.get(name)) for name in ("type", "status", "code"))
        return next((name for name in named if name), fallback), text_of(error.get("message")) or None
    if isinstance(error, str):
        return fallback, error
    return fallback, body[: _ERROR_TEXT * 4].decode("utf-8", "replace")[:_ERROR_TEXT] or None


def gateway_error(document: dict[str, Any]) -> Any:
    """The error of gateways in front of a model, which answer `{"message": …}` or `{"detail": …}`."""
    return document.get("error") or document.get("message") or document.get("detail")


def compact(value: Any) -> str:
    """JSON in one line, with text as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
