"""Text of others made fit to keep and to show: a model's name or an answer may hold anything."""

import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit

# Postgres keeps neither in text or jsonb.
_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
# Controls, and marks that turn the direction of writing: they would let a text pose as another.
_UNSEEN = re.compile("[\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\\u202a-\\u202e\\u2066-\\u2069\\ufeff]")
_REPLACEMENT = "\ufffd"


def storable(text: str) -> str:
    """The text with U+FFFD for what Postgres cannot keep: NUL and lone surrogates."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def one_line(text: str, *, most: int) -> str:
    """One line of at most `most` UTF-16 units, without controls; "…" says that something was cut off."""
    # A megabyte need not be cleaned for 200 characters of it.
    head = storable(text[: 4 * most + 100])
    cleaned = " ".join(_UNSEEN.sub("", head).split())
    return fitted(cleaned, most)


def fitted(text: str, most: int, *, escape: Callable[[str], str] = str) -> str:
    """As much of the text as fits into `most` UTF-16 units once each character is escaped; "…" for the rest.

    UTF-16, since receivers that count so are the stricter ones: an emoji is two.
    """
    kept: list[str] = []
    size = 0
    for character in text:
        piece = escape(character)
        size += units(piece)
        if size > most:
            while kept and sum(map(units, kept)) > most - 1:
                kept.pop()
            return "".join(kept) + "…"
        kept.append(piece)
    return "".join(kept)


def units(text: str) -> int:
    """The text's length as JavaScript counts it."""
    return len(text) + sum(character > "\uffff" for character in text)


def web_url(url: str) -> str | None:
    """The URL where it is one of the web, each character that could end it elsewhere percent-encoded."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc or len(url) > 2_000:
        return None
    return quote(storable(url.strip()), safe=":/?#@!$&'*+,;=%~-._[]")
