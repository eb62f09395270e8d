"""What is kept of a request and of its answer, by what the call's project lets be kept.

Nothing here raises or waits: what cannot be masked in time is shed, and flagged so. The recorder runs it on
the event loop for short bodies and in a thread for long ones.
"""

import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ingest.providers.base import Exchange, Provider
from ingest.providers.lenient import decode_content, is_event_stream
from ingest.providers.response_id import response_id_of
from ingest.proxy.keys import without_key
from ingest.proxy.ports import Keeping
from ingest.spool.records import Said

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LONGEST_MODEL = 200
_FRAME_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_NAMES = ("served_model", "finish_reason", "error_type", "response_id", "service_tier")
_TEXTS = ("output_text", "error_message")


class Rules(msgspec.Struct, frozen=True):
    """By what a call is kept: its dialect, its project's wish, and the key that is cut out of everything."""

    provider: Provider
    keeping: Keeping
    key: bytes | None

    @property
    def keeps_text(self) -> bool:
        """Whether text may be kept as it is."""
        return self.keeping.keep in ("full", "text")


class KeptRequest(msgspec.Struct, frozen=True):
    """What START may say of a request and of what came beside it."""

    body_state: str
    requested_model: str
    observer: dict[str, str] = {}
    request: bytes = b""
    input_text: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """An answer as it came. Where all of it was too much, `body` is empty and `is_whole` False; its two ends
    (kilobytes) are there always. `has_room` False: the spool takes no bodies now."""

    body: bytes
    head: bytes
    tail: bytes
    is_streamed: bool
    http_status: int | None = None
    content_encoding: str | None = None
    is_whole: bool = True
    has_room: bool = True


class KeptAnswer(msgspec.Struct, frozen=True):
    """What END may say of an answer."""

    body_state: str
    response: bytes = b""
    said: Said | None = None


def keep_request(
    body: bytes,
    *,
    model: str,
    is_streamed: bool,
    observer: dict[str, str],
    rules: Rules,
    is_hasty: bool = False,
) -> KeptRequest:
    """What may be kept of a request; a body that is not JSON is not kept where it would be masked.

    `is_hasty`: there is no time for the body, and a text that may not be kept as it is goes.
    """
    model = model if rules.keeps_text else _masked_name(model, rules=rules)
    if observer:
        observer = _or_else(lambda: _observer(observer, rules=rules), {}, what="what came beside a request")
    if rules.keeping.keep == "full":
        return KeptRequest("full", model, observer, without_key(body, rules.key))
    kept = KeptRequest(rules.keeping.keep, model, observer)
    if rules.keeping.keep == "none" or not body:
        return kept
    if is_hasty:
        return msgspec.structs.replace(kept, body_state="shed")
    return _or_else(
        lambda: _with_text(kept, without_key(body, rules.key), is_streamed=is_streamed, rules=rules),
        msgspec.structs.replace(kept, body_state="shed"),
        what="a request",
    )


def keep_answer(answer: Answer, *, rules: Rules) -> KeptAnswer:
    """What may be kept of an answer; usage, served model and outcome are, in every case."""
    if not answer.is_whole:
        return _shed_answer(answer, rules=rules)
    if rules.keeping.keep == "full" and answer.has_room:
        return KeptAnswer("full", without_key(answer.body, rules.key))
    answer = msgspec.structs.replace(answer, body=without_key(answer.body, rules.key))
    if rules.keeping.keep == "full":
        return KeptAnswer("full", answer.body, _shed_answer(answer, rules=rules).said)
    kept = _or_else(lambda: _kept_answer(answer, rules=rules), None, what="an answer")
    return kept or _shed_answer(answer, rules=rules)


def keep_attempts(attempts: tuple[dict[str, Any], ...], *, rules: Rules) -> tuple[dict[str, Any], ...]:
    """The attempts, under their models' names as they may be kept."""
    if rules.keeps_text:
        return attempts
    return tuple(_attempt(each, rules=rules) for each in attempts)


def keep_message(message: str | None, *, rules: Rules) -> str | None:
    """Our own words on a failure, which may repeat a name that the client gave."""
    if message is None or rules.keeps_text:
        return message
    return _or_else(lambda: rules.keeping.mask(message), None, what="an error message")


def _or_else(work: Callable[[], T], otherwise: T, *, what: str) -> T:
    """What masking comes to, or less: a mask that takes too long, or fails, must not let anything through."""
    try:
        return work()
    except Exception as error:
        # Only the kind: the message may hold what must not be logged.
        logger.warning("%s was shed, as it could not be masked: %s", what, type(error).__name__)
        return otherwise


def _with_text(kept: KeptRequest, body: bytes, *, is_streamed: bool, rules: Rules) -> KeptRequest:
    read = rules.provider.read_exchange(request=body, response=b"", is_streamed=is_streamed, http_status=None)
    text, mask = read.input_text, rules.keeping.mask
    if rules.keeping.keep == "text":
        return msgspec.structs.replace(kept, input_text=text)
    return msgspec.structs.replace(
        kept, request=_masked_body(body, rules=rules), input_text=None if text is None else mask(text)
    )


def _masked_body(body: bytes, *, rules: Rules) -> bytes:
    # The key once more: masking puts texts together that were cut, and the key with them.
    return without_key(rules.keeping.mask_body(body), rules.key)


def _observer(observer: dict[str, str], *, rules: Rules) -> dict[str, str]:
    return {
        name: rules.keeping.user(value) if name == "user_id" else _beside(name, value, rules=rules)
        for name, value in observer.items()
    }


def _beside(name: str, value: str, *, rules: Rules) -> str:
    if rules.keeps_text:
        return value
    # Tags that are no JSON are kept as a text.
    masked = rules.keeping.mask_body(value.encode("utf-8", "surrogatepass")) if name == "tags" else b""
    return masked.decode() if masked else rules.keeping.mask(value)


def _attempt(attempt: dict[str, Any], *, rules: Rules) -> dict[str, Any]:
    kept = {**attempt, "model": _masked_name(str(attempt.get("model", "")), rules=rules)}
    if (usage := attempt.get("usage")) is not None:
        kept["usage"] = _or_else(lambda: _masked_usage(usage, rules=rules), None, what="an attempt's usage")
    return kept


def _masked_usage(usage: dict[str, Any], *, rules: Rules) -> dict[str, Any] | None:
    found = json.loads(rules.keeping.mask_body(json.dumps(usage).encode()) or b"null")
    return found if isinstance(found, dict) else None


def _masked_name(name: str, *, rules: Rules) -> str:
    return _or_else(lambda: rules.keeping.mask(name[:_LONGEST_MODEL]), "", what="a model's name")


def _kept_answer(answer: Answer, *, rules: Rules) -> KeptAnswer:
    said = _said(answer, rules=rules)
    if rules.keeping.keep == "text":
        return KeptAnswer("text", said=said)
    said = _with_masked_names(said, rules=rules)
    if rules.keeping.keep == "none":
        bare = msgspec.structs.replace(said, output_text=None, error_message=None)
        return KeptAnswer("none", said=bare)
    mask = rules.keeping.mask
    texts = {name: mask(text) for name in _TEXTS if (text := getattr(said, name)) is not None}
    # A stream cuts its text anywhere, and a number with it: only the text put together can be masked.
    document = b"" if answer.is_streamed else _document(answer)
    return KeptAnswer("masked", _masked_body(document, rules=rules), msgspec.structs.replace(said, **texts))


def _said(answer: Answer, *, rules: Rules) -> Said:
    read = _read(answer, rules=rules)
    return Said(
        served_model=read.served_model,
        finish_reason=read.finish_reason,
        usage_raw=read.usage_raw,
        usage=_json(read.usage),
        output_text=_text_without_key(read.output_text, rules=rules),
        error_type=read.error_type,
        error_message=_text_without_key(read.error_message, rules=rules),
        response_id=response_id_of(answer.body),
        unreadable=read.unreadable,
        service_tier=read.service_tier,
    )


def _text_without_key(text: str | None, *, rules: Rules) -> str | None:
    """The frames of a stream may each have held a piece of the key."""
    if text is None:
        return None
    return without_key(text.encode("utf-8", "surrogatepass"), rules.key).decode("utf-8", "surrogatepass")


def _with_masked_names(said: Said, *, rules: Rules) -> Said:
    """A provider's names and numbers are no text, but what fills them is not ours to trust."""
    keeping = rules.keeping
    names: dict[str, Any] = {
        name: keeping.mask(value) for name in _NAMES if (value := getattr(said, name)) is not None
    }
    for name in ("usage_raw", "usage"):
        if (usage := getattr(said, name)) is not None:
            names[name] = keeping.mask_body(usage.encode("utf-8", "surrogatepass")).decode() or None
    return msgspec.structs.replace(said, **names)


def _document(answer: Answer) -> bytes:
    """The plain document; empty for a stream, and for what does not unpack."""
    plain, problem = decode_content(answer.body, content_encoding=answer.content_encoding)
    return b"" if problem is not None or is_event_stream(plain) else plain


def _shed_answer(answer: Answer, *, rules: Rules) -> KeptAnswer:
    """Usage, served model and how it ended, by the first and last kilobytes; never any text."""
    return KeptAnswer(
        "shed", said=_or_else(lambda: _said_by_its_ends(answer, rules=rules), None, what="an answer's end")
    )


def _said_by_its_ends(answer: Answer, *, rules: Rules) -> Said:
    reading = rules.provider.read_usage(head=answer.head, tail=answer.tail)
    frames = _whole_frames(answer)
    read = _read(msgspec.structs.replace(answer, body=frames), rules=rules) if frames else Exchange()
    usage = _json(reading.usage)
    said = Said(
        served_model=reading.served_model or read.served_model,
        finish_reason=read.finish_reason,
        usage_raw=read.usage_raw or usage,
        usage=usage,
        error_type=read.error_type,
        response_id=response_id_of(answer.head),
        service_tier=reading.service_tier,
    )
    return said if rules.keeps_text else _with_masked_names(said, rules=rules)


def _whole_frames(answer: Answer) -> bytes:
    """The frames of a stream that stand whole in its ends; empty for a document."""
    if not is_event_stream(answer.head):
        return b""
    begins = min((at + len(end) for end in _FRAME_ENDS if (at := answer.tail.find(end)) >= 0), default=-1)
    stops = max((at + len(end) for end in _FRAME_ENDS if (at := answer.head.rfind(end)) >= 0), default=0)
    return answer.head[:stops] + (answer.tail[begins:] if begins >= 0 else b"")


def _read(answer: Answer, *, rules: Rules) -> Exchange:
    return rules.provider.read_exchange(
        request=b"",
        response=answer.body,
        is_streamed=answer.is_streamed,
        http_status=answer.http_status,
        content_encoding=answer.content_encoding,
    )


def _json(usage: dict[str, Any] | None) -> str | None:
    # Not msgspec's encoder: it refuses integers over 64 bits and lone surrogates.
    return None if usage is None else json.dumps(usage)
