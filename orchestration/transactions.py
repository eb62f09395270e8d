"""One writer a relation: a transaction that first takes the relation's advisory lock."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

LOCK = "select pg_advisory_xact_lock(hashtextextended(%s, 0))"


@contextmanager
def writing(connection: Connection[TupleRow], *, relation: str) -> Generator[None]:
    """A transaction in which no other writer of `relation` runs; commits at the end, rolls back on errors.

    Raises RuntimeError inside an open transaction: there the block would be a savepoint, and what it wrote
    would neither be kept by a kill -9 nor seen by the writer that waits for the lock.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise RuntimeError(f"{relation} must be written outside an open transaction")
    with connection.transaction():
        connection.execute(LOCK, (relation,))
        yield


def clock(connection: Connection[TupleRow]) -> datetime:
    """The server's time now: one for all that a change ends and begins, so that no moment lies between."""
    row = connection.execute("select clock_timestamp()").fetchone()
    if row is None:
        raise RuntimeError("the server told no time")
    return row[0]
