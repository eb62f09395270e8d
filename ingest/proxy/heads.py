"""Which request heads are taken: only those that every HTTP/1.1 parser reads in the same way.

llhttp (under httptools) refuses most ambiguous heads itself; here stands what it lets pass. References are
to RFC 9110 and 9112.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ingest.proxy.http import Headers

HEAD_BYTES = 64 << 10
"""The request line and all headers. What a 431 names; nginx takes 32 KB, h11 64 KB."""
MOST_HEADERS = 128
END_OF_HEAD = b"\r\n\r\n"

_METHODS = rb"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
# Origin-form only (9112, 3.2.1): a proxy's absolute-form would name a host that nothing here heeds.
_REQUEST_LINE = re.compile(rb'(?:%s) (/[^\x00-\x20\x7f-\xff"#<>\\^`]*) HTTP/1\.[01]\r\n' % _METHODS)
_OTHER_VERSION = re.compile(rb"[A-Z]+ \S+ HTTP/(?!1\.[01]\r)\d\.\d\r\n")
_OTHER_METHOD = re.compile(rb"[A-Z-]+ \S+ HTTP/1\.[01]\r\n")
_DOTS = re.compile(rb"(?:^|[/\\])\.\.?(?:[/\\;]|$)")
_LONE_BREAK = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?")
_UPGRADE = re.compile(rb"\r\nupgrade(?=:)", re.IGNORECASE)
# A second one of these could be read by whoever comes after us instead of the first.
_ONCE = frozenset(
    {
        b"host",
        b"content-type",
        b"content-encoding",
        b"authorization",
        b"api-key",
        b"x-api-key",
        b"x-goog-api-key",
        b"expect",
    }
)
# Servers that turn names into variables (CGI, WSGI) cannot tell these from the real ones.
_DISGUISED = frozenset({b"transfer_encoding", b"content_length"})
_LOOKED_AT = _DISGUISED | {b"host", b"expect", b"transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a head is refused; `reason` is bounded, for counters."""

    status: int
    reason: str
    message: str


def fault_of_line(head: bytes) -> Fault | None:
    """What is wrong with the request line of a complete head, as it came over the wire."""
    line = _REQUEST_LINE.match(head)
    if line is None:
        return _fault_of_odd_line(head)
    target = line[1]
    if b"." in target or b"%" in target:
        # Twice, as some servers do.
        path = unquote_to_bytes(unquote_to_bytes(target.partition(b"?")[0]))
        # Else a path with a model in it would reach any other path of the provider under our key.
        if _DOTS.search(path) or any(byte < 0x20 or byte == 0x7F for byte in path):
            return Fault(400, "target", "the path holds dot segments or control characters")
    return None


def fault_of_headers(headers: Headers, *, version: str) -> Fault | None:
    """What is wrong with parsed headers (names in lower case) of an HTTP/`version` request."""
    if len(headers) > MOST_HEADERS:
        return Fault(431, "headers", f"more than {MOST_HEADERS} headers")
    seen: set[bytes] = set()
    for name, value in headers:
        if name in _ONCE:
            if name in seen:
                return Fault(400, "duplicate", f"two {name.decode()} headers")
            seen.add(name)
        if name in _LOOKED_AT and (fault := _fault_of_value(name, value, version=version)) is not None:
            return fault
    if version == "1.1" and b"host" not in seen:
        return Fault(400, "host", "a host header is required")
    return None


def fault_of_part(head: bytes | bytearray, *, since: int) -> Fault | None:
    """What is wrong with as much of a head as has come; lines are looked at from `since` on."""
    if len(head) > HEAD_BYTES:
        return Fault(431, "head_bytes", f"the request head is larger than {HEAD_BYTES} bytes")
    if _LONE_BREAK.search(head, since):
        return Fault(400, "line_break", "lines end with CR LF")
    return None


def without_upgrade(data: bytes, *, head: bytes) -> bytes:
    """`data`, whose beginning is `head`, with any `Upgrade` under a name that means nothing.

    A server may ignore an upgrade (9110, 7.8), and Java's HttpClient offers `h2c` on every first request;
    llhttp would take the body for another protocol's.
    """
    if b"upgrade:" not in head.lower():
        return data
    return _UPGRADE.sub(b"\r\nx-lqo-u", head) + data[len(head) :]


def _fault_of_value(name: bytes, value: bytes, *, version: str) -> Fault | None:
    if name in _DISGUISED:
        return Fault(400, "disguised", f"{name.decode()} is no header")
    if name == b"host" and value and not _HOST.fullmatch(value):
        return Fault(400, "host", "the host header is no host")
    if name == b"expect" and value.lower() != b"100-continue":
        return Fault(417, "expect", "only 100-continue can be expected")
    if name == b"transfer-encoding" and (version != "1.1" or value.lower() != b"chunked"):
        return Fault(501, "transfer_encoding", "the only transfer coding taken is chunked")
    return None


def _fault_of_odd_line(head: bytes) -> Fault:
    if _OTHER_VERSION.match(head):
        return Fault(505, "version", "only HTTP/1.1 and HTTP/1.0 are spoken here")
    if not re.match(rb"(?:%s) " % _METHODS, head) and _OTHER_METHOD.match(head):
        return Fault(501, "method", "this method is not known here")
    return Fault(400, "request_line", "the request line is malformed")
