"""Our own keys: how one is made, what is kept of it, and whose a presented one is.

A key is `lqo_` and 256 random bits. Kept is its SHA-256: nobody can guess the key from it, so neither salt
nor pepper is needed, and every proxy that shares a database knows the same keys.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from ingest.access.snapshot import KeyRow
from ingest.proxy.ports import Caller

KEY_PREFIX = "lqo_"
_RANDOM_BYTES = 32
_SHOWN = len(KEY_PREFIX) + 6
LONGEST_KEY = 512


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is shown, once, and what is kept of it."""

    key_id: str
    secret: str
    prefix: str
    secret_hash: bytes


def new_key() -> NewKey:
    """A fresh key. Its `prefix` (36 of the 256 random bits) is what people tell keys apart by."""
    secret = KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    key_id = f"key_{secrets.token_hex(8)}"
    return NewKey(key_id, secret, secret[:_SHOWN], hash_of(secret.encode()))


def hash_of(secret: bytes) -> bytes:
    """SHA-256 of a key as it was presented."""
    return sha256(secret).digest()


@dataclass(frozen=True, slots=True)
class Known:
    """A key's owner and until when (Unix nanoseconds, exclusive) it opens the door; None: no end."""

    row: KeyRow
    ends_at_ns: int | None
    caller: Caller


class KeyBook:
    """The keys of one snapshot by hash. A key ends when it is revoked, expires, or its overlap is over.

    `read_at_ns` is when the rows were read: a wall clock that was set back before it revives no key.
    """

    def __init__(
        self,
        rows: Iterable[KeyRow] = (),
        *,
        read_at_ns: int = 0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._read_at_ns = read_at_ns
        self._clock_ns = clock_ns
        self._known = {row.secret_hash: Known(row, _ends_at_ns(row), _caller(row)) for row in rows}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, secret: bytes) -> Caller | None:
        """Whose key this is; None for one nobody has, or that is over.

        What is looked up is a hash, so neither the table nor the comparison tells anything of a key by its
        time; the second comparison takes the same time for all hashes.
        """
        if len(secret) > LONGEST_KEY:
            return None
        digest = hash_of(secret)
        known = self._known.get(digest)
        if known is None or not hmac.compare_digest(known.row.secret_hash, digest):
            return None
        now = max(self._clock_ns(), self._read_at_ns)
        return known.caller if known.ends_at_ns is None or now < known.ends_at_ns else None


def first_of_line(rows: Iterable[KeyRow]) -> dict[str, str]:
    """Key id to the id of the first key of its line of rotations, for every key that replaced another:
    limits and budgets stay with the line."""
    replaced = {row.replaced_by: row.key_id for row in rows if row.replaced_by is not None}
    first: dict[str, str] = {}
    for key_id in replaced:
        root, seen = key_id, {key_id}
        while (older := replaced.get(root)) is not None and older not in seen:
            root = older
            seen.add(root)
        first[key_id] = root
    return first


def _ends_at_ns(row: KeyRow) -> int | None:
    if row.revoked_at is not None:
        return 0  # whatever the two clocks say
    ends = (row.expires_at, row.overlap_until)
    return min((_unix_ns(at) for at in ends if at is not None), default=None)


def _unix_ns(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000


def _caller(row: KeyRow) -> Caller:
    models = None if row.allowed_models is None else frozenset(row.allowed_models)
    return Caller(
        key_id=row.key_id,
        forwards_key=False,
        is_trusted=True,
        project=row.project,
        environment=row.environment,
        owner=row.owner,
        allowed_models=models,
    )
