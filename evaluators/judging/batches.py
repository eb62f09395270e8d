"""OpenAI's Batch API as text: a judge's requests as lines of a file, and the lines that come back.

Limits and shapes: https://platform.openai.com/docs/guides/batch. A file holds at most 50,000 requests and
200 MB. Results come in any order and are told apart by `custom_id` alone; a request that failed stands in
the error file, with the provider's status and body where it was executed, with a code where it was not.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

ENDPOINT: Final = "/v1/chat/completions"
MOST_REQUESTS: Final = 50_000
# 200 MB, read as the smaller of the two megabytes.
MOST_BYTES: Final = 200_000_000
_HASH_CHARACTERS: Final = 43
_DETAIL_CHARACTERS: Final = 500
_CANCELLED: Final = frozenset({"batch_cancelled", "batch_canceled"})


@dataclass(frozen=True, slots=True)
class Executed:
    """A request that was executed: the provider's HTTP status and body, as the direct way gets them."""

    custom_id: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """A request that never had its turn, and cost nothing: `code` is the provider's (`batch_expired` …).

    `is_cancelled`: somebody cancelled the batch before.
    """

    custom_id: str
    code: str
    detail: str
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no result: cut short, or of another shape."""

    detail: str


def custom_id(content_hash: bytes, *, version: str) -> str:
    """The request's stable identity: the judge's version (its hash, 12 characters) and the content's SHA-256.

    At most 64 characters of `[A-Za-z0-9_.-]`, which is what the narrowest of the compatible providers take.
    """
    return f"{version_hash(version)}.{base64.urlsafe_b64encode(content_hash).rstrip(b'=').decode()}"


def content_of(custom_id: str, *, version: str) -> bytes | None:
    """The content hash in a `custom_id` of this version; None for a foreign one or another judge's."""
    prefix, separator, text = custom_id.partition(".")
    if not separator or prefix != version_hash(version) or len(text) != _HASH_CHARACTERS:
        return None
    try:
        found = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # The last character holds two bits that no byte needs: only one of its four spellings is ours.
    return found if base64.urlsafe_b64encode(found).rstrip(b"=").decode() == text else None


def version_hash(version: str) -> str:
    """The hash in a judge's version, which is `semver+hash`."""
    return version.rpartition("+")[2][:20]


def request_line(custom_id: str, *, body: Mapping[str, Any]) -> bytes:
    """One line of a batch's input file, with its newline; `body` is what the direct way would post."""
    return as_json({"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}) + b"\n"


def as_json(value: Mapping[str, Any]) -> bytes:
    """JSON without a line break; half a surrogate pair, which is no UTF-8, becomes a question mark."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        # One such line would fail the batch of all others.
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def read_result(line: bytes) -> Executed | NotExecuted | Unreadable:
    """One line of an output or error file.

    A request that the provider rejected is executed, too: it has an error object where the completion would
    be, and the line's own `error` is null.
    """
    try:
        found = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(str(error)[:_DETAIL_CHARACTERS])
    if found.response is not None and (found.error is None or found.response.status_code >= 400):
        return Executed(found.custom_id, found.response.status_code, bytes(found.response.body))
    error = found.error or _Error()
    code = str(error.code or "no_response")[:100]
    detail = (error.message or "")[:_DETAIL_CHARACTERS]
    return NotExecuted(found.custom_id, code, detail, is_cancelled=code in _CANCELLED)


class _Error(msgspec.Struct, frozen=True):
    code: str | int | None = None
    message: str | None = None


class _Response(msgspec.Struct, frozen=True):
    status_code: int
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct, frozen=True):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


_DECODER: Final = msgspec.json.Decoder(_Line)
