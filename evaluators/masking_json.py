"""Masking a JSON document: every string and key of it, and every number long enough to be somebody's."""

import json
import re
from collections.abc import Iterator
from typing import Any

from evaluators.masking import Clock, Masker

_DATA = re.compile(r"(?:data:[^,\s]{0,200};base64,)?[A-Za-z0-9+/_-]{256,}={0,2}\s*")
_ENCODED = '"[data]"'
_FEWEST_NUMBERS = 16
_SHORTEST_NUMBER = 7
_PIECEMEAL = frozenset({"logprobs", "top_logprobs", "logprobs_result", "logprobsResult"})
"""Members that spell the answer out again token by token: no mask can see a number there."""


class _Number(str):
    """A number as it stands."""


class _Members(list[tuple[str, Any]]):
    """An object's members in order, doubles included."""


def mask_json(data: bytes, masker: Masker, *, clock: Clock) -> bytes:
    """The same document, compact, with marks where personal data stood; empty for what is no JSON in UTF-8.

    Text that is itself JSON (tool arguments) is masked as such. What no mask can read becomes `[data]`:
    base64 (images, sound, files), rows of 16 numbers and more (embeddings, token ids), logprobs. Raises
    MaskingError.
    """
    document = _read(data)
    if document is None:
        return b""
    try:
        pieces = list(_Writer(masker, clock).written(document[0]))
        return "".join(pieces).encode()
    except RecursionError:
        return b""


def _read(data: bytes | str) -> tuple[Any] | None:
    """The document, or None. `json` and not a faster parser: it tells numbers as they stand and doubles."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        found = json.loads(
            text,
            object_pairs_hook=_Members,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=lambda name: None,
        )
    except (ValueError, RecursionError):
        return None
    return (found,)


class _Writer:
    def __init__(self, masker: Masker, clock: Clock) -> None:
        self._masker = masker
        self._clock = clock

    def written(self, value: Any) -> Iterator[str]:
        """The pieces of the masked value's JSON."""
        if isinstance(value, _Number):
            yield self._number(value)
        elif isinstance(value, str):
            yield self._text(value)
        elif isinstance(value, _Members):
            yield from self._members(value)
        elif isinstance(value, list):
            yield from self._items(value)
        else:
            yield json.dumps(value)

    def _members(self, members: _Members) -> Iterator[str]:
        yield "{"
        for number, (name, value) in enumerate(members):
            yield "," if number else ""
            yield self._text(name)
            yield ":"
            if name in _PIECEMEAL and isinstance(value, list):
                yield _ENCODED
            else:
                yield from self.written(value)
        yield "}"

    def _items(self, items: list[Any]) -> Iterator[str]:
        if len(items) >= _FEWEST_NUMBERS and all(isinstance(item, _Number) for item in items):
            yield _ENCODED
            return
        yield "["
        for number, item in enumerate(self._joined(items)):
            yield "," if number else ""
            yield from self.written(item)
        yield "]"

    def _joined(self, items: list[Any]) -> list[Any]:
        """The items, where their texts are cut through a number (citations cut anywhere) told as one text."""
        texts = [text for item in items if (text := _text_of(item)) is not None]
        if len(texts) < 2 or not any(
            sign in "0123456789@" for text in texts for sign in (text[:1], text[-1:])
        ):
            return items
        whole = self._masker.mask("".join(texts), clock=self._clock)
        if whole == "".join(self._masker.mask(text, clock=self._clock) for text in texts):
            return items
        following = iter([whole, *[""] * (len(texts) - 1)])
        return [item if _text_of(item) is None else _with_text(item, next(following)) for item in items]

    def _number(self, number: _Number) -> str:
        if len(number) < _SHORTEST_NUMBER:
            return str(number)
        masked = self._masker.mask(number, clock=self._clock)
        return str(number) if masked == number else json.dumps(masked)

    def _text(self, text: str) -> str:
        if len(text) >= 256 and _DATA.fullmatch(text):
            return _ENCODED
        if text[:1] in ("{", "[") and (inner := _read(text)) is not None:
            return _quoted("".join(self.written(inner[0])))
        return _quoted(self._masker.mask(text, clock=self._clock))


def _text_of(item: Any) -> str | None:
    """The text of a part of a message."""
    if not isinstance(item, _Members):
        return None
    text = next((value for name, value in item if name == "text"), None)
    return text if isinstance(text, str) and not isinstance(text, _Number) else None


def _with_text(item: _Members, text: str) -> _Members:
    return _Members((name, text if name == "text" else value) for name, value in item)


def _quoted(text: str) -> str:
    """As a JSON string; with escapes only where UTF-8 cannot hold the text."""
    quoted = json.dumps(text, ensure_ascii=False)
    try:
        quoted.encode()
    except UnicodeEncodeError:
        return json.dumps(text)
    return quoted
