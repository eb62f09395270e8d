"""Rows of a CSV or JSONL file, in constant memory; a row that cannot be read is one bad row."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from ingest.importers.lines import split_lines
from ingest.importers.sources import read_chunks
from orchestration.calibration.label_rows import FIELDS, LabelError

# A label is a line of some hundred bytes.
LONGEST_LINE = 64 << 10

Row = tuple[int, dict[str, Any] | LabelError]


class LabelFileError(ValueError):
    """The file as a whole holds no labels; the message is one line."""


def read_rows(path: Path) -> Iterator[Row]:
    """Line number (of its first line) and fields of every row, or why it has none.

    The file is plain, gzip, xz or zstd; JSON Lines if its first character is `{`, else a CSV with a header.
    Raises LabelFileError for a header that names other than fields of labels, SourceError for a file that
    cannot be read.
    """
    chunks = read_chunks(path, on_read=lambda _: None)
    first = next((chunk for chunk in chunks if chunk.strip()), b"")
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        yield from _json_rows(_joined(first, chunks))
    else:
        yield from _csv_rows(_joined(first, chunks))


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first.removeprefix(b"\xef\xbb\xbf")
    yield from rest


def _json_rows(chunks: Iterator[bytes]) -> Iterator[Row]:
    for line in split_lines(chunks, longest=LONGEST_LINE):
        if line.size > LONGEST_LINE:
            yield line.number, LabelError("too_long", f"the line has {line.size:,} bytes")
        elif line.data.strip():
            yield line.number, _json_row(line.data)


def _json_row(data: bytes) -> dict[str, Any] | LabelError:
    try:
        row = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return LabelError("broken_json", str(error))
    if not isinstance(row, dict):
        return LabelError("broken_json", "the line is no object")
    return cast("dict[str, Any]", row)


def _csv_rows(chunks: Iterator[bytes]) -> Iterator[Row]:
    reader = csv.reader(_text_lines(chunks), strict=False)
    first = _next_row(reader)
    header = [name.strip() for name in first] if isinstance(first, list) else []
    wrong = [name for name in header if name not in FIELDS]
    if not header or wrong or len(set(header)) < len(header):
        known = ", ".join(sorted(FIELDS))
        said = f"it names {', '.join(wrong)[:200]!r}" if wrong else "it is empty or names a field twice"
        raise LabelFileError(f"the first line must be a header of {known}; {said}")
    line = reader.line_num + 1
    while (values := _next_row(reader)) is not None:
        if isinstance(values, LabelError):
            yield line, values
        elif len(values) not in (0, len(header)):
            yield line, LabelError("bad_row", f"{len(values)} values for {len(header)} fields")
        elif values:
            yield line, dict(zip(header, values, strict=True))
        line = reader.line_num + 1


def _next_row(reader: Any) -> list[str] | LabelError | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        return LabelError("bad_row", str(error))


def _text_lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines as text with their ends, so that a quoted line break stays one; an overlong one is a bad row.

    Bytes that are not UTF-8 become lone surrogates, which no field may hold.
    """
    for line in split_lines(chunks, longest=LONGEST_LINE):
        text = line.data.decode("utf-8", "surrogateescape") if line.size <= LONGEST_LINE else "\0"
        yield text.removesuffix("\r") + "\n"
