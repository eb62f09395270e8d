"""What every dialect's reader has in common: unpack, read the answer, read the request, tell the error."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ingest.providers.base import Exchange, ReadExchange
from ingest.providers.lenient import decode_content, read_json, read_object
from ingest.providers.values import object_of, read_error


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as one dialect reads it. `usage` is given where no single object on the line says it all."""

    model: str | None = None
    finish_reason: str | None = None
    usage_raw: str | None = None
    usage: dict[str, Any] | None = None
    service_tier: str | None = None
    text: str | None = None
    error: Any = None
    is_understood: bool = False


def reader(
    *, answer: Callable[[bytes], Answer], asked: Callable[[dict[str, Any]], str | None]
) -> ReadExchange:
    """A reader out of one for the (unpacked) response and one for the text of the request.

    It never raises for a body: what cannot be read is None. Whether the response is a stream is told from
    its bytes: an error to a streamed request is a document. `http_status` None means that no response came.
    """

    def read_exchange(
        *,
        request: bytes,
        response: bytes,
        is_streamed: bool,
        http_status: int | None,
        content_encoding: str | None = None,
    ) -> Exchange:
        body, unreadable = decode_content(response, content_encoding=content_encoding)
        said = answer(body)
        error_type, error_message = read_error(said.error, body=body, http_status=http_status)
        if unreadable is None and body and not said.is_understood:
            unreadable = "the streamed body has no events" if is_streamed else "the body is not a JSON object"
        return Exchange(
            served_model=said.model,
            finish_reason=said.finish_reason,
            usage=said.usage or _read(said.usage_raw),
            usage_raw=said.usage_raw,
            input_text=asked(read_object(request)),
            output_text=said.text,
            error_type=error_type,
            error_message=error_message,
            unreadable=unreadable,
            service_tier=said.service_tier,
        )

    return read_exchange


def _read(usage_raw: str | None) -> dict[str, Any] | None:
    return None if usage_raw is None else object_of(read_json(usage_raw.encode()))
