"""JSON whose text is no Unicode: lone surrogates, as escapes or as bytes, and bytes that are no UTF-8.

Strict readers refuse it; Python's own takes it, and `encode` with the same handler gives the bytes back.
"""

import json
import re
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()


def decode_odd(data: bytes) -> tuple[str, str]:
    """The text of any bytes, and the error handler that encodes it back to them.

    Encoded surrogates are read as such; where other bytes are in the way, each stray byte becomes
    U+DC80 to U+DCFF (PEP 383).
    """
    try:
        return data.decode("utf-8", "surrogatepass"), "surrogatepass"
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape"), "surrogateescape"


def scan_object(text: str) -> dict[str, tuple[Any, str]]:
    """The members of a JSON object, each with the text it stands in. Raises ValueError for anything else."""
    members: dict[str, tuple[Any, str]] = {}
    at = _expect(text, 0, "{")
    is_closed = text.startswith("}", at)
    at += is_closed
    while not is_closed:
        name, at = _decoder.raw_decode(text, at)
        if not isinstance(name, str):
            raise ValueError("a member's name is not a string")  # noqa: TRY004
        start = _expect(text, at, ":")
        value, at = _decoder.raw_decode(text, start)
        members[name] = value, text[start:at]
        at = _space(text, at)
        is_closed = text.startswith("}", at)
        at = at + 1 if is_closed else _expect(text, at, ",")
    if _space(text, at) != len(text):
        raise ValueError("something follows the object")
    return members


def _expect(text: str, at: int, character: str) -> int:
    """The place of what follows `character`, which must come next; white space does not count."""
    at = _space(text, at)
    if not text.startswith(character, at):
        raise ValueError(f"expected {character} at character {at}")
    return _space(text, at + 1)


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()
