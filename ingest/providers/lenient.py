"""Reading bodies that may be compressed, truncated, malformed or not JSON at all."""

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import zstandard

MAX_DECODED = 64 << 20
_PIECE = 1 << 20
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_MARK = b"\xef\xbb\xbf"
_BAD_JSON = (msgspec.MsgspecError, ValueError, RecursionError)


def decode_content(
    body: bytes, *, content_encoding: str | None = None, limit: int = MAX_DECODED
) -> tuple[bytes, str | None]:
    """The plain bytes and None, or what could be decoded and one line on why that is not all.

    gzip and zstd are known by their first bytes, too, for where the header was not kept. Nothing past
    `limit` bytes (64 MB) is decoded.
    """
    encoding = (content_encoding or "").strip().lower()
    try:
        if encoding in ("gzip", "x-gzip", "deflate") or body[:2] == b"\x1f\x8b":
            return zlib.decompressobj(wbits=47).decompress(body, limit), None
        if encoding == "zstd" or body[:4] == b"\x28\xb5\x2f\xfd":
            return _unzstd(body, limit=limit), None
    except (zlib.error, zstandard.ZstdError) as error:
        return b"", f"the body does not decompress: {error}"
    if encoding not in ("", "identity"):
        return b"", f"no decoder for content-encoding {encoding}"
    return body, None


def _unzstd(body: bytes, *, limit: int) -> bytes:
    parts: list[bytes] = []
    with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as packed:
        while limit > 0 and (part := packed.read(min(limit, _PIECE))):
            parts.append(part)
            limit -= len(part)
    return b"".join(parts)


def read_json(data: bytes | msgspec.Raw) -> Any:
    """The value in `data`, or None. Lone surrogates, NaN and broken UTF-8 pass, as Python reads them."""
    try:
        return msgspec.json.decode(data)
    except _BAD_JSON:
        pass
    try:
        return json.loads(bytes(data).decode("utf-8-sig", "replace"))
    except _BAD_JSON:
        return None


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; empty for anything else."""
    value = read_json(data)
    return value if isinstance(value, dict) else {}


def raw_member(data: bytes, name: str) -> str | None:
    """The text of a top-level member exactly as it stands in `data`; None where it is absent or null."""
    for body in (data, _without_bad_text(data)):
        try:
            raw = _members.decode(body).get(name)
        except _BAD_JSON:
            continue
        text = None if raw is None else bytes(raw).decode("utf-8", "replace")
        return None if text == "null" else text
    return None


def _without_bad_text(data: bytes) -> bytes:
    """The same document with `?` for surrogate escapes and broken UTF-8, which strict parsers refuse."""
    return _SURROGATE.sub(rb"\\u003f", data.decode("utf-8-sig", "replace").encode())


def is_event_stream(body: bytes) -> bool:
    """Server-sent events rather than a document, told from the first bytes."""
    start = body[:64].removeprefix(_MARK).lstrip()
    return start.startswith((b"data:", b"event:", b"id:", b"retry:", b":"))


def stream_data(body: bytes) -> Iterator[bytes]:
    """The data of each server-sent event, in order; a cut-off last event included."""
    lines: list[bytes] = []
    for line in body.removeprefix(_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif not line and lines:
            yield b"\n".join(lines)
            lines = []
    if lines:
        yield b"\n".join(lines)
