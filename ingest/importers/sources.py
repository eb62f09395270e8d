"""Bytes of a file, decompressed as they are read; what it is, its first bytes say."""

import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard

CHUNK_BYTES = 256 << 10
_ZSTD_STEP = 1 << 10
"""zstd has no limit for what one step may give; a kilobyte of input gives at most 32 MB."""
_XZ_MEMORY = 256 << 20


class SourceError(Exception):
    """The file cannot be read (further); the message is one line, without the file's name."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def feed(self, data: bytes) -> Iterator[bytes]: ...


def read_chunks(path: Path, *, on_read: Callable[[int], None]) -> Iterator[bytes]:
    """The file's content in pieces of bounded size; plain, gzip, xz and zstd alike.

    `on_read` is told how many bytes of the file itself have been read since it was last told. Raises
    SourceError for a file that cannot be opened, is damaged or ends too early, after all that was
    readable.
    """
    try:
        with path.open("rb") as file:
            head = file.read(CHUNK_BYTES)
            yield from unpacked(_pieces(file, head, on_read=on_read), head=head)
    except OSError as error:
        raise SourceError(f"it cannot be read: {error.strerror or error}") from None


def unpacked(pieces: Iterator[bytes], *, head: bytes) -> Iterator[bytes]:
    """The content of `pieces`, which begin with `head`, in pieces of bounded size. Raises SourceError."""
    make = _decompressor_of(head)
    try:
        yield from pieces if make is None else _decompressed(pieces, make)
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise SourceError(f"its compressed data is damaged: {error}") from None


def _pieces(file: BinaryIO, head: bytes, *, on_read: Callable[[int], None]) -> Iterator[bytes]:
    piece = head
    while piece:
        on_read(len(piece))
        yield piece
        piece = file.read(CHUNK_BYTES)


def _decompressor_of(head: bytes) -> Callable[[], _Decompressor] | None:
    if head.startswith(b"\x1f\x8b"):
        return _Gzip
    if head.startswith(b"\xfd7zXZ\x00"):
        return _Xz
    return _Zstd if head.startswith(b"\x28\xb5\x2f\xfd") else None


def _decompressed(pieces: Iterator[bytes], make: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """The content of one or more compressed streams, one after the other."""
    decompressor = make()
    for piece in pieces:
        data = piece
        while data:
            if decompressor.eof:
                # Padding with zeros is allowed behind a stream; anything else must be another one.
                data = data.lstrip(b"\0")
                if not data:
                    break
                decompressor = make()
            yield from decompressor.feed(data)
            data = decompressor.unused_data if decompressor.eof else b""
    if not decompressor.eof:
        raise SourceError("its compressed data ends too early (a truncated file?)")


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._inner.decompress(data, CHUNK_BYTES)
        while self._inner.unconsumed_tail and not self._inner.eof:
            yield self._inner.decompress(self._inner.unconsumed_tail, CHUNK_BYTES)


class _Xz:
    def __init__(self) -> None:
        self._inner = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._inner.decompress(data, CHUNK_BYTES)
        while not self._inner.needs_input and not self._inner.eof:
            yield self._inner.decompress(b"", CHUNK_BYTES)


class _Zstd:
    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor().decompressobj()
        self._unused = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._unused

    def feed(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_STEP):
            yield self._inner.decompress(data[at : at + _ZSTD_STEP])
            if self._inner.eof:
                self._unused = self._inner.unused_data + data[at + _ZSTD_STEP :]
                return
