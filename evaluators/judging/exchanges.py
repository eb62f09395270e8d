"""One exchange with a judge, as bytes, and what stands in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

import msgspec

from evaluators.judging.protocol import (
    CONTENT_FILTER,
    CUT_OFF,
    ERROR,
    PARSE_ERROR,
    REFUSED,
    TOO_LONG,
    Unscored,
    storable,
)

_SHORT: Final = 300
_TOO_LONG = (
    "context_length",
    "maximum context",
    "context window",
    "too many tokens",
    "prompt is too long",
    "exceeds the available context size",
)
_FILTERED = ("content_filter", "content management policy", "moderation", "responsibleai", "flagged")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request of an exchange; `status` is None where no answer came, `error` says what then."""

    started_at: datetime
    latency_ms: float
    status: int | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """The last request and answer of a call to a judge, byte for byte, with every attempt that led to it.

    `raw_response` is empty where no answer came. `output` is how the form was asked for in the end
    (json_schema, json_object, text).
    """

    raw_request: bytes
    raw_response: bytes
    attempts: tuple[Attempt, ...]
    output: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a chat completion says: its text, or why there is none; `usage` as the provider told it."""

    text: str
    trouble: Unscored | None = None
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: str | None = None


def read_exchange(exchange: Exchange) -> Reply:
    """The judge's text of an exchange, or the reason there is none. Never raises, whatever the bytes are."""
    last = exchange.attempts[-1]
    if last.status is None:
        tries = len(exchange.attempts)
        return Reply("", Unscored(ERROR, f"{last.error or 'no answer'}, attempt {tries} of {tries}"))
    return read_answer(last.status, exchange.raw_response)


def read_answer(status: int, body: bytes) -> Reply:
    """The same for an HTTP status and a body, as batches keep them."""
    document = _document(body)
    failed = status if status >= 300 else error_status(document)
    if failed is not None:
        return Reply("", _refusal_of_service(failed, body), _usage(document))
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Reply("", Unscored(PARSE_ERROR, "the answer is no chat completion"), _usage(document))
    content = message.get("content")
    return Reply(
        text=content if isinstance(content, str) else "",
        trouble=_trouble(choice.get("finish_reason"), message),
        usage=_usage(document),
        model=_text(document.get("model")),
    )


def error_status(document: Mapping[str, Any]) -> int | None:
    """The status inside a body that tells an error, None for one that does not.

    OpenRouter and some gateways answer 200 and then `{"error": {"code": 429, …}}`.
    """
    error = document.get("error")
    if not error:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    return code if type(code) is int and 400 <= code < 600 else 502


def read_document(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, empty for anything else."""
    return _document(body)


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _trouble(finish_reason: object, message: Mapping[str, Any]) -> Unscored | None:
    """Why a completion is no verdict though a judge may have said something."""
    if refusal := message.get("refusal"):
        return Unscored(REFUSED, storable(str(refusal))[:_SHORT])
    match finish_reason:
        case "content_filter":
            return Unscored(CONTENT_FILTER, "the provider's filter stopped the judge")
        case "length" | "max_tokens":
            return Unscored(CUT_OFF, "the judge reached its limit of tokens")
        case "refusal":
            return Unscored(REFUSED, "the judge declined")
        case "error":
            return Unscored(ERROR, "the endpoint broke off with an error")
        case _:
            is_text = isinstance(message.get("content"), str)
            return None if is_text else Unscored(PARSE_ERROR, "the judge's message holds no text")


def _refusal_of_service(status: int, body: bytes) -> Unscored:
    said = " ".join(storable(body[:4_000].decode("utf-8", "replace")).split())
    lower = said.lower()
    if status == 413 or (status in (400, 422) and any(word in lower for word in _TOO_LONG)):
        return Unscored(TOO_LONG, f"HTTP {status}: {said[:_SHORT]}")
    if status in (400, 403, 451) and any(word in lower for word in _FILTERED):
        return Unscored(CONTENT_FILTER, f"HTTP {status}: {said[:_SHORT]}")
    return Unscored(ERROR, f"HTTP {status}: {said[:_SHORT]}")


def _usage(document: Mapping[str, Any]) -> dict[str, Any]:
    usage = document.get("usage")
    return cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}


def _text(value: object) -> str | None:
    return storable(value)[:200] if isinstance(value, str) and value else None
