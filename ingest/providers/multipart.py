"""Uploads as forms (audio to transcribe, images to edit): model and streaming are fields among files."""

import re

import msgspec

from ingest.providers.base import Prepared

_FIELD = re.compile(
    rb'\r\ncontent-disposition:[^\r\n]*[; ]name="?(model|stream)"?(?:\r\n[^\r\n]+)*\r\n\r\n([^\r\n]*)\r\n--',
    re.IGNORECASE,
)
_MODEL_NAME = re.compile(rb'name\*?\s*=\s*"?model\b', re.IGNORECASE)


def prepare_form(body: bytes, *, path: str, query: str = "") -> Prepared:
    """The upload as it is, read. Where the form names a model in two places, nobody can say which counts."""
    below = path.removeprefix("/v1")
    fields = {match[1].lower(): match[2] for match in _FIELD.finditer(body)}
    is_twice = len(_MODEL_NAME.findall(body)) > 1
    return Prepared(
        body=body,
        path=f"{below}?{query}" if query else below,
        requested_model=fields.get(b"model", b"").decode("utf-8", "replace"),
        is_streamed=fields.get(b"stream", b"").lower() == b"true",
        problem="the form says `model` twice" if is_twice else None,
    )


def with_form_model(prepared: Prepared, *, model: str) -> Prepared:
    """The same upload for another model; every other byte stays."""
    for match in _FIELD.finditer(prepared.body):
        if match[1].lower() == b"model":
            body = prepared.body[: match.start(2)] + model.encode() + prepared.body[match.end(2) :]
            return msgspec.structs.replace(prepared, body=body, requested_model=model)
    return prepared
