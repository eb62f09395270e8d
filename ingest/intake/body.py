"""The body of a request that hands something in: read, bounded, unpacked."""

from collections.abc import Iterator

from ingest.importers.sources import SourceError, unpacked
from ingest.proxy.http import BodyTooLargeError, ClientGoneError, Headers, Receive, header, read_body
from ingest.proxy.ports import Refusal

MOST_SENT = 32 << 20
MOST_UNPACKED = 64 << 20
_IDLE_SECONDS = 30.0
_PIECE = 64 << 10
_PACKINGS = (b"", b"identity", b"gzip", b"x-gzip", b"zstd")
_CLOSE = ((b"connection", b"close"),)


async def read_sent(receive: Receive, *, headers: Headers) -> bytes | Refusal:
    """The body as it was sent. A client that leaves is status 499: nobody reads it."""
    packing = header(headers, b"content-encoding").strip().lower()
    if packing not in _PACKINGS:
        message = f"content-encoding {packing.decode('latin-1')[:40]} is not read here; use gzip or zstd"
        return Refusal(415, "unsupported_encoding", message, _CLOSE)
    try:
        return await read_body(receive, headers=headers, limit=MOST_SENT, idle_seconds=_IDLE_SECONDS)
    except BodyTooLargeError:
        return Refusal(413, "request_too_large", f"the request is larger than {MOST_SENT} bytes", _CLOSE)
    except TimeoutError:
        return Refusal(408, "request_timeout", "the request body stopped coming", _CLOSE)
    except ClientGoneError:
        return Refusal(499, "client_gone", "the client left")


def unpack(sent: bytes, *, headers: Headers) -> bytes | Refusal:
    """The body without gzip or zstd, which its first bytes tell; at most 64 MB, however small it was sent."""
    is_packed = sent.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))
    if not is_packed:
        if header(headers, b"content-encoding").strip().lower() in (b"", b"identity") or not sent:
            return sent if len(sent) <= MOST_UNPACKED else _too_large()
        return Refusal(400, "bad_encoding", "the body is not packed as content-encoding says")
    parts: list[bytes] = []
    size = 0
    try:
        for part in unpacked(_pieces(sent), head=sent[:8]):
            parts.append(part)
            size += len(part)
            if size > MOST_UNPACKED:
                return _too_large()
    except SourceError as error:
        return Refusal(400, "bad_encoding", f"the body cannot be unpacked: {error}")
    return b"".join(parts)


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))


def _too_large() -> Refusal:
    return Refusal(413, "request_too_large", f"the body is larger than {MOST_UNPACKED} bytes when unpacked")
