"""A file opened as what it is: lines, a list, a Parquet table or binary messages, and of which format."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ingest.importers.formats.base import Format
from ingest.importers.formats.detect import find_by_names, find_format
from ingest.importers.frames import is_framed, is_message, split_frames, whole_message
from ingest.importers.json_values import is_spread, list_start, split_values
from ingest.importers.lines import Line, split_lines
from ingest.importers.parquet import MAGIC, read_columns, read_rows
from ingest.importers.sources import SourceError, read_chunks

_HEAD_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What a file holds: `units` in order, each a `unit` (line, item, row or message).

    `format` is None where its beginning does not tell which, or `is_empty`. Going through `units` raises
    SourceError where the file cannot be read further.
    """

    format: Format | None
    unit: str
    units: Iterable[Line]
    is_empty: bool = False


def open_source(path: Path, *, formats: Sequence[Format], on_read: Callable[[int], None]) -> SourceFile:
    """Look at the beginning of `path`: what it is, and which of `formats`. Raises SourceError."""
    head, rest = _beheaded(read_chunks(path, on_read=on_read))
    if head.startswith(MAGIC):
        return SourceFile(find_by_names(read_columns(path), formats), "row", read_rows(path, on_read=on_read))
    everything = chain([head], rest)
    if is_framed(head):
        return SourceFile(_otlp(formats), "message", split_frames(everything))
    if is_message(head):
        return SourceFile(_otlp(formats), "message", whole_message(everything))
    start = list_start(head)
    if start is not None:
        items = split_values(chain([head[start:]], rest), is_list=True)
        is_empty = head[start:].lstrip()[:1] == b"]"
        return SourceFile(find_format(head[start:], formats), "item", items, is_empty=is_empty)
    if is_spread(head):
        return SourceFile(find_format(head, formats), "item", split_values(everything, is_list=False))
    is_empty = not head.strip()
    return SourceFile(find_format(head, formats), "line", split_lines(everything), is_empty=is_empty)


def _beheaded(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first 256 KB and the rest; where they cannot be read, what could be, and a rest that says why."""
    head = b""
    try:
        for chunk in chunks:
            head += chunk
            if len(head) >= _HEAD_BYTES:
                break
    except SourceError as error:
        return head, _raising(error)
    return head, chunks


def _raising(error: SourceError) -> Iterator[bytes]:
    yield from ()
    raise error


def _otlp(formats: Sequence[Format]) -> Format:
    found = next((each for each in formats if each.name == "otlp"), None)
    if found is None:
        raise SourceError("it holds binary messages, which only OTLP files do (--format otlp)")
    return found
