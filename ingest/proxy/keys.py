"""Telling callers apart without keeping their keys: `key_id` is an HMAC under a local pepper."""

import contextlib
import hmac
import os
from functools import lru_cache
from pathlib import Path

from ingest.providers.query import key_in
from ingest.proxy.http import Headers

PEPPER = "key.pepper"
SHORTEST_SECRET = 16
"""Shorter keys (`x`, `dummy`) are no secrets, and cutting them out of bodies would mangle text."""


def load_pepper(home: Path) -> bytes:
    """The 32 random bytes in `<home>/key.pepper` (0600), made on first use by whoever comes first."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / PEPPER
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    draft = home / f"{PEPPER}.{os.getpid()}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(32))
    try:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
    return path.read_bytes()


def client_key(headers: Headers, *, query: bytes = b"") -> bytes | None:
    """The key a client sent: a bearer token, the header of an Azure, Anthropic or Gemini client, or, where
    a query is given, its `key`, as Gemini takes it.
    """
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            return (token if scheme.lower() == b"bearer" else value).strip() or None
        if name in (b"api-key", b"x-api-key", b"x-goog-api-key"):
            return value.strip() or None
    return key_in(query.decode("latin-1")) if query else None


def key_id(key: bytes | None, *, pepper: bytes) -> str | None:
    """HMAC-SHA256 of a key, hexadecimal; None without a key."""
    return None if key is None else _digest(key, pepper)


@lru_cache(maxsize=1024)
def _digest(key: bytes, pepper: bytes) -> str:
    return hmac.digest(pepper, key, "sha256").hex()


def without_key(data: bytes, key: bytes | None) -> bytes:
    """`data` as it may be spooled: a body that repeats the client's key carries `[key]` instead."""
    if key is None or len(key) < SHORTEST_SECRET or key not in data:
        return data
    return data.replace(key, b"[key]")
