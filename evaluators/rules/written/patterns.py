"""Regular expressions that people write, on RE2: linear in the text, whatever the pattern."""

import time
from dataclasses import dataclass
from typing import Any

import polars as pl
import re2

from evaluators.rules.written.looks import TOO_SLOW, UNSCORED, Clock, RefusedError

LONGEST_PATTERN = 1_000
# Steps of the compiled program. Where the fast automaton gives up, RE2 takes up to one step of each for every
# byte, some 10 ns: this and the limit below bound a call at about ten seconds, and the clock bounds a run.
LARGEST_PROGRAM = 5_000
MOST_WORK = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern (https://github.com/google/re2/wiki/Syntax); more than `longest` bytes of text would
    take too long."""

    compiled: Any
    longest: int

    def spans(self, texts: pl.Series, *, clock: Clock) -> list[tuple[int, int] | str | None]:
        """Of each text the characters (from, to) of the first match, null where there is none, or the mark
        of a text that would take too long; null texts give null."""
        search, longest, end, now = self.compiled.search, self.longest, clock.end, time.perf_counter
        found: list[tuple[int, int] | str | None] = []
        for text in texts.to_list():
            data = b"" if text is None else text.encode("utf-8", "surrogatepass")
            if now() > end or len(data) > longest:
                found.append(UNSCORED + TOO_SLOW)
                continue
            match = None if text is None else search(data)
            found.append(match and _characters(data, match.span()))
        return found

    def counts(self, texts: pl.Series, *, clock: Clock) -> list[int | None]:
        """How often the pattern matches in each text, without overlaps; null for null and for too slow."""
        return [self._count(text, clock=clock) for text in texts]

    def _count(self, text: str | None, *, clock: Clock) -> int | None:
        if text is None:
            return None
        data = text.encode("utf-8", "surrogatepass")
        if clock.is_over or len(data) > self.longest:
            return None
        count = 0
        for _ in self.compiled.finditer(data):
            count += 1
            # One match a byte, each a search of its own, is quadratic in the worst patterns.
            if count % 64 == 0 and clock.is_over:
                return None
        return count


def compile_pattern(text: str, *, field: str) -> Pattern:
    """The pattern on RE2, or RefusedError: no look-around, no back-references, not too large."""
    if not 0 < len(text) <= LONGEST_PATTERN:
        raise RefusedError(field, f"a pattern has 1 to {LONGEST_PATTERN} characters, this one {len(text)}")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile(text, options=options)
    except (re2.error, UnicodeEncodeError) as error:
        raise RefusedError(field, f"not RE2: {_reason(error)}") from None
    if compiled.programsize > LARGEST_PROGRAM:
        raise RefusedError(field, f"too large: {compiled.programsize:,} steps, {LARGEST_PROGRAM:,} at most")
    return Pattern(compiled, longest=MOST_WORK // compiled.programsize)


def _characters(data: bytes, span: tuple[int, int]) -> tuple[int, int]:
    """A span of bytes as one of characters."""
    start, end = span
    before = len(data[:start].decode("utf-8", "replace"))
    return before, before + len(data[start:end].decode("utf-8", "replace"))


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
