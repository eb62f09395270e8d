"""Masking personal data in text, in bounded time.

`[email]`, `[phone]`, `[card]`, `[resident]` and `[iban]` stand where something was, and `[name]` for a
pattern that a person configured. Those run on RE2, which is linear in the text; all of a text is given up
(MaskingError) when it takes longer than allowed, as half a mask is none.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

from evaluators.masking_spans import Span, find_spans

KINDS = frozenset({"email", "phone", "card", "resident", "iban"})
MOST_PATTERNS = 50
_LONGEST_PATTERN = 1000
_LARGEST_PROGRAM = 30_000
"""Instructions of RE2's program; `\\pL{1,20}` alone comes to 24,000."""
_NAME = re.compile(r"[\w-]{1,40}")
_WINDOW = 16 << 10
_LONGEST_SPAN = 1 << 10


class MaskingError(RuntimeError):
    """The text was not masked; nothing of it may be kept. The message holds nothing of it either."""


class PatternError(ValueError):
    """A configured pattern cannot be used; the message is one line."""


class Clock:
    """A bound on the time that masking may still take, however many pieces there are.

    With `gives_way` each check lets another thread run, as one that serves requests must not wait.
    """

    def __init__(self, seconds: float, *, gives_way: bool = False) -> None:
        self._ends = time.monotonic() + seconds
        self._gives_way = gives_way

    def check(self) -> None:
        """Raises MaskingError once the time is over."""
        if self._gives_way:
            time.sleep(0)
        if time.monotonic() > self._ends:
            raise MaskingError("masking took too long")


@dataclass(frozen=True, slots=True)
class Masker:
    """Masks `kinds` and what `patterns` (name to compiled RE2) match, these first."""

    kinds: frozenset[str] = KINDS
    patterns: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def mask(self, text: str, *, clock: Clock) -> str:
        """The text with marks in place of what was found. Raises MaskingError when `clock` runs out."""
        clock.check()
        if not self.patterns and text.isascii() and not _WORTH_A_LOOK.search(text):
            return text
        text = _plain(text)
        for name, pattern in self.patterns.items():
            text = _without_pattern(text, pattern, mark=f"[{name}]")
        if len(text) <= _WINDOW:
            return _marked(text, find_spans(text, self.kinds))
        return _marked(text, self._spans(text, clock=clock))

    def _spans(self, text: str, *, clock: Clock) -> Iterator[Span]:
        """The same in windows: one search over a megabyte would hold up every other thread."""
        for start in range(0, len(text), _WINDOW):
            clock.check()
            begin = max(start - _LONGEST_SPAN, 0)
            window = text[begin : start + _WINDOW + _LONGEST_SPAN]
            for first, last, kind in find_spans(window, self.kinds):
                # What stands in two windows is found in both, and whole in one of them.
                yield Span(begin + first, begin + last, kind)


def compile_patterns(given: Mapping[str, str]) -> dict[str, Any]:
    """Each pattern as RE2 (https://github.com/google/re2/wiki/Syntax).

    Raises PatternError for a name that is not 1–40 letters, digits, `_` or `-`, for a pattern RE2 does not
    know (look-around, back-references), one that matches nothing at all, and one too large.
    """
    if len(given) > MOST_PATTERNS:
        raise PatternError(f"at most {MOST_PATTERNS} patterns, not {len(given)}")
    return {name: _compiled(name, pattern) for name, pattern in given.items()}


def _compiled(name: str, pattern: str) -> Any:
    if not _NAME.fullmatch(name) or name in KINDS:
        raise PatternError(f"{name!r} is no name for a pattern: 1-40 letters, digits, _ or -, and no kind")
    if not 0 < len(pattern) <= _LONGEST_PATTERN:
        raise PatternError(f"pattern {name} must have 1-{_LONGEST_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options=options)
    except (re2.error, UnicodeEncodeError) as error:
        raise PatternError(f"pattern {name} is not RE2: {_reason(error)}") from None
    if compiled.programsize > _LARGEST_PROGRAM:
        raise PatternError(f"pattern {name} is too large: {compiled.programsize} steps")
    if compiled.search(b"") is not None:
        raise PatternError(f"pattern {name} also matches nothing, and would mask every place")
    return compiled


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _without_pattern(text: str, pattern: Any, *, mark: str) -> str:
    # In bytes: RE2 takes them as they are, and a lone surrogate then matches nothing instead of raising.
    data = text.encode("utf-8", "surrogatepass")
    pieces, end = list[bytes](), 0
    for found in pattern.finditer(data):
        if found.start() < found.end():
            pieces += (data[end : found.start()], mark.encode())
            end = found.end()
    return text if not pieces else b"".join((*pieces, data[end:])).decode("utf-8", "surrogatepass")


_WORTH_A_LOOK = re.compile("[0-9@&]")
_HIDDEN = re.compile(r"(?<=[\dA-Za-z@.+) -])[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]+(?=[\dA-Za-z@.+( -])")
_ESCAPED = re.compile(r"\\+u00(2[0bdBDef89EF]|3[0-9]|40|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])")
_ESCAPED_AT = re.compile(r"%40|&#0*64;|&#[xX]0*40;|&commat;")


def _plain(text: str) -> str:
    """The text without what hides its signs: invisible ones between them, and escapes of a text in a text."""
    if "\\u00" in text:
        text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    if "%40" in text or "&" in text:
        text = _ESCAPED_AT.sub("@", text)
    return text if text.isascii() else _HIDDEN.sub("", text)


def _marked(text: str, spans: Iterable[Span]) -> str:
    """Each stretch replaced by its kind; of two that overlap the first, longest one speaks for both."""
    pieces, end = list[str](), 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.start >= end:
            pieces += (text[end : span.start], f"[{span.kind}]")
        end = max(end, span.end)
    return "".join((*pieces, text[end:])) if pieces else text
