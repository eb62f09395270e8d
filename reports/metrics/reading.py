"""Samples out of a database: all of its sources over one read-only connection, or that it does not answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from reports.metrics.families import Database, Source

CONNECT_SECONDS = 3
STATEMENT_MS = 2000
_SESSION = (
    f"-c default_transaction_read_only=on -c timezone=UTC -c jit=off -c statement_timeout={STATEMENT_MS}"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a family, under the values of its labels."""

    family: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a database said; `problem` is why it said nothing, in one line."""

    is_up: bool
    samples: Sequence[Sample] = ()
    problem: str | None = None


async def read_database(database: Database, conninfo: str) -> Reading:
    """Ask all of `database.sources`. Never raises for what the server or the network does."""
    given = conninfo_to_dict(conninfo).get("options") or ""
    try:
        connection = await AsyncConnection.connect(
            conninfo,
            autocommit=True,
            options=f"{given} {_SESSION}".strip(),
            application_name="lqo metrics",
            connect_timeout=CONNECT_SECONDS,
            prepare_threshold=None,
        )
        async with connection:
            samples = [sample for each in database.sources for sample in await _read(connection, each)]
    except psycopg.Error as error:
        return Reading(is_up=False, problem=" ".join(str(error).split()) or type(error).__name__)
    return Reading(is_up=True, samples=samples)


async def _read(connection: AsyncConnection[TupleRow], source: Source) -> list[Sample]:
    try:
        cursor = await connection.execute(source.query)
    except (psycopg.errors.UndefinedTable, psycopg.errors.QueryCanceled):
        # The marts are not built yet, Dagster has not made its tables, or it took too long: what it would
        # have said is unknown, and the rest is not.
        return []
    n_labels = len(source.labels)
    return [
        Sample(family.name, tuple(str(label) for label in row[:n_labels]), float(value))
        for row in await cursor.fetchall()
        for family, value in zip(source.families, row[n_labels:], strict=True)
        if value is not None
    ]
