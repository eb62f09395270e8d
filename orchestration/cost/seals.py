"""Seals of closed months: each is the SHA-256 over the one before and the month's lines."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from psycopg import Connection
from psycopg.rows import TupleRow


def seal_before(connection: Connection[TupleRow], month: date) -> bytes:
    """The seal of the month closed before; empty for the first."""
    row = connection.execute(
        "select content_hash from cost.chargebacks where month < %s order by month desc limit 1", [month]
    ).fetchone()
    return bytes(row[0]) if row else b""


def sealed(lines: Iterable[Sequence[object]], *, previous: bytes) -> bytes:
    """The seal over lines in any order. Numbers are hashed by value: 1.50 and 1.5 are one amount."""
    cells = sorted(repr([_plain(value) for value in line]) for line in lines)
    return hashlib.sha256(previous + repr(cells).encode()).digest()


def _plain(value: object) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
