"""The address a proxy listens on, and the file that tells others of it."""

import contextlib
import json
import os
import socket
from collections.abc import Generator
from pathlib import Path

from ingest.proxy.serving import ProxyError

_BACKLOG = 2048
_SEND_BUFFER = 128 << 10
"""Bytes (the kernel doubles them) that may wait in the kernel for a client. Left to itself it takes megabytes
for one that does not read: memory nobody counts, and a burst of reading that holds up the other streams.
"""


def listen(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ProxyError.

    `is_shared` is SO_REUSEPORT: the kernel spreads new connections over all who listen so.
    """
    opened = _bound(host, port, is_shared=is_shared)
    opened.listen(_BACKLOG)
    return opened


def reserve(host: str, port: int) -> socket.socket:
    """A port kept for workers that will share it; the socket itself gets no connections. Raises ProxyError.

    Without the first look, two proxies of one user would share a port and each get half of the calls.
    """
    with contextlib.closing(listen(host, port)) as probe:
        port = probe.getsockname()[1]
    return _bound(host, port, is_shared=True)


def url_of(listening: socket.socket, *, is_tls: bool) -> str:
    host, port = listening.getsockname()[:2]
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextlib.contextmanager
def announced(path: Path | None, *, url: str) -> Generator[None]:
    """`path` holds our pid and url meanwhile; a killed proxy leaves it, so check the pid."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"pid": os.getpid(), "url": url}) + "\n")
    draft.rename(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _bound(host: str, port: int, *, is_shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is said, as accepted connections inherit it.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if is_shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((host, port))
    except (OSError, OverflowError) as error:
        opened.close()
        reason = getattr(error, "strerror", None) or error
        raise ProxyError(f"cannot listen on {host}:{port}: {reason}") from error
    return opened
