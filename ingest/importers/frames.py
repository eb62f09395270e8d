"""Binary messages in a file: one, or many with their length before each, as OpenTelemetry's Collector writes.

https://github.com/open-telemetry/opentelemetry-collector-contrib, exporter/fileexporter (File Format)
"""

import re
from collections.abc import Iterable, Iterator

from ingest.importers.lines import LONGEST_LINE, Line
from ingest.importers.sources import SourceError
from ingest.providers.lenient import decode_content

_LENGTH_BYTES = 4
_ZSTD = b"\x28\xb5\x2f\xfd"
_RESOURCE_SPANS = b"\x0a"
"""Field 1 of an ExportTraceServiceRequest and of TracesData, with a length."""
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_LOOKED_AT = 4096
_PREFIX = 2000


def is_framed(head: bytes) -> bool:
    """Whether `head` begins with a length of four bytes (big-endian, below 16 MB) and a message or JSON."""
    return head[:1] == b"\0" and head[_LENGTH_BYTES:].startswith((_RESOURCE_SPANS, b"{", _ZSTD))


def is_message(head: bytes) -> bool:
    """Whether `head` begins one bare message: text that begins with a new line has no control characters."""
    return head.startswith(_RESOURCE_SPANS) and _BINARY.search(head, 0, _LOOKED_AT) is not None


def split_frames(chunks: Iterable[bytes], *, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """The messages, unpacked where each is packed with zstd. Raises SourceError where the last one is cut."""
    reader, number = _Reader(chunks), 0
    while length := reader.take(_LENGTH_BYTES):
        number += 1
        size = int.from_bytes(length, "big")
        data = reader.take(min(size, longest))
        if len(length) < _LENGTH_BYTES or len(data) < min(size, longest):
            raise SourceError("its last message is cut short (half-written?)")
        if size > longest:
            reader.skip(size - longest)
            yield Line(number, data[:_PREFIX], size)
            continue
        if data.startswith(_ZSTD):
            data, _ = decode_content(data, limit=longest)
        yield Line(number, data, len(data))


def whole_message(chunks: Iterable[bytes], *, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """All of a file as one message."""
    data, size = b"", 0
    for chunk in chunks:
        size += len(chunk)
        if len(data) <= longest:
            data += chunk
    yield Line(1, data if size <= longest else data[:_PREFIX], size)


class _Reader:
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""

    def take(self, size: int) -> bytes:
        """The next `size` bytes, or what is left."""
        parts = [self._held]
        have = len(self._held)
        while have < size and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        self._held = data[size:]
        return data[:size]

    def skip(self, size: int) -> None:
        while size > 0 and (piece := self.take(min(size, 1 << 20))):
            size -= len(piece)
