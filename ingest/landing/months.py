"""Months of the fact tables, made before rows need them."""

from collections.abc import Sequence
from datetime import date

from psycopg import Connection
from psycopg.rows import TupleRow


def ensure_months(connection: Connection[TupleRow], months: Sequence[date]) -> None:
    """Make the partitions of `months` that are missing, in a short transaction of its own.

    Attaching a partition takes a lock on its parent until commit; a COPY of minutes must not hold it.
    Inside a transaction of the caller's it holds until that one ends.
    """
    if not months:
        return
    with connection.transaction():
        connection.execute("select ingest.ensure_month(month) from unnest(%s::date[]) as month", [[*months]])
