"""Lines of a stream, in constant memory."""

from collections.abc import Iterable, Iterator

import msgspec

LONGEST_LINE = 32 << 20
_PREFIX = 2000


class Line(msgspec.Struct, frozen=True, gc=False):
    """Line `number` (from 1) without its end. A line that is too long has only its beginning here."""

    number: int
    data: bytes
    size: int

    @property
    def is_whole(self) -> bool:
        return len(self.data) == self.size


def split_lines(chunks: Iterable[bytes], *, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """The lines in `chunks`, the last one with or without its end.

    A line over `longest` bytes is counted through to its end, but not held.
    """
    number, held, skipped = 1, b"", 0
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        if not rest:
            held, skipped = _extend(held, skipped, first, longest=longest)
            continue
        held, skipped = _extend(held, skipped, first, longest=longest)
        yield Line(number, held, len(held) + skipped)
        number += 1
        for line in rest[:-1]:
            yield Line(number, line, len(line))
            number += 1
        held, skipped = rest[-1], 0
    if held:
        yield Line(number, held, len(held) + skipped)


def _extend(held: bytes, skipped: int, more: bytes, *, longest: int) -> tuple[bytes, int]:
    """What is held of a line, and how many bytes of it are not, after `more` of it came."""
    if skipped:
        return held, skipped + len(more)
    if len(held) + len(more) <= longest:
        return held + more, 0
    prefix = (held[:_PREFIX] + more)[:_PREFIX]
    return prefix, len(held) + len(more) - len(prefix)
