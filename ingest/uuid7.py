"""UUID version 7 (RFC 9562): the first 48 bits are Unix milliseconds."""

import os
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def uuid7(at: datetime | None = None) -> UUID:
    """A random v7 whose time is `at` (aware; now if None) cut to the millisecond."""
    millis = time.time_ns() // 1_000_000 if at is None else milliseconds(at)
    return _assemble(millis, os.urandom(10))


def derived_uuid7(at: datetime, *, key: bytes) -> UUID:
    """The v7 at `at` whose random part is SHA-256 of `key`: the same on every run."""
    return _assemble(milliseconds(at), sha256(key).digest()[:10])


def uuid7_time(value: UUID) -> datetime | None:
    """The UTC time in a v7, to the millisecond; None for any other version."""
    if value.version != 7:
        return None
    return EPOCH + (value.int >> 80) * _MILLISECOND


def is_uuid7_of(value: UUID, at: datetime) -> bool:
    """Whether `value` is a v7 whose time is `at` (aware) cut to the millisecond."""
    bits = value.int
    return bits >> 80 == milliseconds(at) and (bits >> 76) & 0xF == 7 and (bits >> 62) & 0x3 == 2


def milliseconds(at: datetime) -> int:
    """Whole Unix milliseconds of an aware datetime, cut (never rounded up)."""
    return (at - EPOCH) // _MILLISECOND


def _assemble(millis: int, tail: bytes) -> UUID:
    bits = (millis << 80) | int.from_bytes(tail, "big")
    bits = (bits & ~(0xF << 76)) | (0x7 << 76)
    bits = (bits & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=bits)
