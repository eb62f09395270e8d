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
        for number, item in enumerate(items):
            yield "," if number else ""
            yield from self.written(item)
        yield "]"

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


def _quoted(text: str) -> str:
    """As a JSON string; with escapes only where UTF-8 cannot hold the text."""
    quoted = json.dumps(text, ensure_ascii=False)
    try:
        quoted.encode()
    except UnicodeEncodeError:
        return json.dumps(text)
    return quoted
