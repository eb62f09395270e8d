"""Objects of a JSON list, or objects written over several lines, in constant memory."""

import re
from collections.abc import Iterable, Iterator

from ingest.importers.lines import LONGEST_LINE, Line
from ingest.importers.sources import SourceError

_START = rb"(?:\xef\xbb\xbf)?\s*"
_SCALAR = rb'(?:"[^"\\]*"|null|true|false|-?[0-9.]+)'
_LIST = re.compile(_START + rb'(?:\{\s*(?:"\w+"\s*:\s*' + _SCALAR + rb'\s*,\s*)*"data"\s*:\s*)?\[')
"""A list, or one page of a list as APIs give it: `{"object": "list", "data": [`."""
_PRETTY = re.compile(_START + rb"\{(?:[^\n]*[,{\[])?[ \t\r]*\n")
_INSIDE = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_OUTSIDE = re.compile(rb'["{}\[\]]')
_BETWEEN = b" \t\r\n,\xef\xbb\xbf"
_PREFIX = 2000


def list_start(head: bytes) -> int | None:
    """Where the first item of a list begins; None where `head` begins no list."""
    found = _LIST.match(head)
    return None if found is None else found.end()


def is_spread(head: bytes) -> bool:
    """Whether the first object goes on over several lines, so that lines are no records."""
    return _PRETTY.match(head) is not None


def split_values(chunks: Iterable[bytes], *, is_list: bool, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """The objects in `chunks`, numbered from 1; whatever else stands between them comes as it is.

    Raises SourceError after the last object where the list, or the object, does not end, or more follows the
    list. Of an object over `longest` bytes only the beginning is held.
    """
    splitter = _Splitter(is_list=is_list, longest=longest)
    for chunk in chunks:
        yield from splitter.feed(chunk)
    yield from splitter.end()


class _Splitter:
    def __init__(self, *, is_list: bool, longest: int) -> None:
        self._is_list = is_list
        self._longest = longest
        self._held = b""
        self._start = 0
        self._at = 0
        self._depth = 0
        self._is_text = False
        self._is_over = False
        self._skipped = 0
        self._number = 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        self._held = self._held[self._start :] + chunk
        self._at -= self._start
        self._start = 0
        while not self._is_over:
            if self._is_text:
                if not self._leave_text():
                    break
                continue
            found = _OUTSIDE.search(self._held, self._at)
            if found is None:
                self._at = len(self._held)
                break
            yield from self._meet(found.group(), found.start())
        self._shorten()

    def end(self) -> Iterator[Line]:
        if self._is_over:
            return
        if self._held[self._start :].strip(_BETWEEN):
            yield self._line(len(self._held))
        if self._depth or self._is_text:
            raise SourceError("it ends inside an object (half-written?)")
        if self._is_list:
            raise SourceError("its list does not end (half-written?)")

    def _leave_text(self) -> bool:
        """Go on behind the string's end; False where more of it must come first."""
        found = _INSIDE.match(self._held, self._at)
        end = self._at if found is None else found.end()
        self._is_text = not self._held.startswith(b'"', end)
        self._at = end if self._is_text else end + 1
        return not self._is_text

    def _meet(self, token: bytes, start: int) -> Iterator[Line]:
        self._at = start + 1
        if token == b'"':
            self._is_text = True
        elif token in (b"{", b"["):
            if self._depth == 0:
                yield from self._between(start)
            self._depth += 1
        elif self._depth == 0:
            yield from self._between(start)
            self._is_over = self._is_list and token == b"]"
        else:
            self._depth -= 1
            if self._depth == 0:
                yield self._line(self._at)

    def _between(self, end: int) -> Iterator[Line]:
        """What stands before `end` and is neither white space nor a comma."""
        if self._held[self._start : end].strip(_BETWEEN):
            yield self._line(end)
        self._start = end

    def _line(self, end: int) -> Line:
        data = self._held[self._start : end].strip(_BETWEEN)
        size = len(data) + self._skipped
        self._number, self._start, self._skipped = self._number + 1, end, 0
        is_whole = size == len(data) <= self._longest
        return Line(self._number, data if is_whole else data[:_PREFIX], size)

    def _shorten(self) -> None:
        """Let go of what was read: of a value that is too long, and of what follows the list."""
        if self._is_over:
            if b"{" in self._held[self._start :]:
                raise SourceError("more follows its list; of a file one list is read")
            self._start = len(self._held)
        elif self._at - self._start > max(self._longest, 2 * _PREFIX):
            begun = self._held[self._start : self._start + _PREFIX]
            self._skipped += self._at - self._start - _PREFIX
            self._held, self._start = begun + self._held[self._at :], 0
            self._at = _PREFIX
