"""OpenAI's smaller endpoints: embeddings and moderations, legacy completions, audio and images."""

from typing import Any

from ingest.providers.answers import TIER, tier_of
from ingest.providers.exchange import Answer, reader
from ingest.providers.lenient import is_event_stream, raw_member, read_json, read_object, stream_data
from ingest.providers.values import gateway_error, objects, string_of, text_of


def _document(body: bytes, *, text: str | None = None, is_understood: bool | None = None) -> Answer:
    document = read_object(body)
    raw = raw_member(body, "usage")
    said = "data" in document or "results" in document or "choices" in document or "text" in document
    return Answer(
        model=string_of(document.get("model")),
        usage_raw=raw if raw is not None and isinstance(read_json(raw.encode()), dict) else None,
        service_tier=tier_of(document.get(TIER)),
        text=text,
        error=document.get("error") if said else gateway_error(document),
        is_understood=bool(document) if is_understood is None else is_understood,
    )


def _read_vectors(body: bytes) -> Answer:
    return _document(body)


def _read_completion(body: bytes) -> Answer:
    """The text of legacy completions, whole or streamed; the finish reason is the first alternative's."""
    frames = list(stream_data(body)) if is_event_stream(body) else [body]
    texts: dict[object, str] = {}
    read, reason = Answer(is_understood=is_event_stream(body)), None
    for data in frames:
        here = _document(data)
        read = here if here.usage_raw or (read.usage_raw is None and here.is_understood) else read
        for position, choice in enumerate(objects(read_object(data).get("choices"))):
            index = choice.get("index", position)
            texts[index] = texts.get(index, "") + text_of(choice.get("text"))
            reason = reason or string_of(choice.get("finish_reason"))
    return Answer(
        model=read.model,
        finish_reason=reason,
        usage_raw=read.usage_raw,
        service_tier=read.service_tier,
        text="\n\n".join(texts.values()) if texts else None,
        error=read.error,
        is_understood=read.is_understood,
    )


def _read_media(body: bytes) -> Answer:
    """A transcription says its `text`, also in its stream's last event; sound and images say nothing."""
    if is_event_stream(body):
        frames = [data for data in stream_data(body) if read_object(data)]
        body = frames[-1] if frames else b""
    return _document(body, text=string_of(read_object(body).get("text")), is_understood=True)


def _input_text(request: dict[str, Any]) -> str | None:
    """The texts of `input` or `prompt`, one below the other; token numbers and images have none."""
    given = request.get("input", request.get("prompt"))
    if isinstance(given, list):
        texts = [item if isinstance(item, str) else text_of([item]) for item in given]
        return "\n".join(text for text in texts if text) or None
    return given if isinstance(given, str) else None


read_input_only = reader(answer=_read_vectors, asked=_input_text)
read_completion = reader(answer=_read_completion, asked=_input_text)
read_media = reader(answer=_read_media, asked=_input_text)
